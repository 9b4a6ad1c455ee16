#include "cli/checkpoints.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

using namespace unshard::test;
using namespace std::string_literals;

namespace {

using Words = std::vector<std::string>;

/// A run that must end with code 2 and this one line on standard error.
void check_usage_error(const Words& words, const std::string& message) {
    const ProcessResult result = unshard_process(words);
    CHECK(result.err == "unshard: " + message + "\n");
    CHECK(result.out.empty());
    CHECK(result.exit_code == 2);
}

}  // namespace

TEST_CASE("the version and the help text are results") {
    CHECK(unshard_process({"--version"}).out == "unshard " UNSHARD_VERSION "\n");
    const ProcessResult help = unshard_process({"--help"});
    CHECK(help.exit_code == 0);
    CHECK(help.err.empty());
    for (const char* command : {"convert", "run", "plan", "inspect", "plugins", "init"}) {
        CHECK(help.out.find(std::string("\n  ") + command + " ") != std::string::npos);
        const ProcessResult own = unshard_process({command, "--help"});
        CHECK(own.exit_code == 0);
        CHECK(own.out.find(std::string("Usage: unshard ") + command + " ") != std::string::npos);
        CHECK(own.out == unshard_process({"help", command}).out);
    }
}

TEST_CASE("without a command the help text is an error") {
    const ProcessResult result = unshard_process({});
    CHECK(result.exit_code == 2);
    CHECK(result.out.empty());
    CHECK(result.err == unshard_process({"--help"}).out);
    const ProcessResult behind_mark = unshard_process({"--", "convert"});
    CHECK(behind_mark.exit_code == 2);
    CHECK(behind_mark.err == result.err);
}

TEST_CASE("unknown commands and options are named, with the nearest known one") {
    check_usage_error({"convrt"}, "unknown command 'convrt': did you mean 'convert'?");
    check_usage_error({"convrt", "x", "-o", "out"}, "unknown command 'convrt': did you mean 'convert'?");
    check_usage_error({"diff", "a", "b", "--", "c"}, "unexpected argument 'c': see 'unshard diff --help'");
    check_usage_error(
        {"transmogrify"},
        "unknown command 'transmogrify': known are convert, run, plan, inspect, diff, names, plugins, init");
    check_usage_error({"help", "convrt"}, "unknown command 'convrt': did you mean 'convert'?");
    check_usage_error({"--verbose"}, "unknown option '--verbose': see 'unshard --help'");
    check_usage_error({"--force", "convert", "x", "-o", "y"}, "unknown option '--force': see 'unshard --help'");
    check_usage_error({"convert", "x", "--forse"}, "unknown option '--forse': did you mean '--force'?");
    check_usage_error({"inspect", "x", "-z"}, "unknown option '-z': see 'unshard inspect --help'");
    check_usage_error({"convert", "x", "y", "-o", "z"}, "unexpected argument 'y': see 'unshard convert --help'");
}

TEST_CASE("missing arguments and values are named") {
    check_usage_error({"convert"}, "INPUT is missing: unshard convert INPUT -o OUTPUT");
    check_usage_error({"convert", "x"}, "OUTPUT is missing: say where to write with -o OUTPUT");
    check_usage_error({"run"}, "PIPELINE is missing: unshard run PIPELINE.toml");
    check_usage_error({"plan"}, "INPUT is missing: unshard plan INPUT -o OUTPUT");
    check_usage_error({"inspect"}, "PATH is missing: unshard inspect PATH");
    check_usage_error({"init"}, "INPUT is missing: unshard init INPUT");
    check_usage_error({"convert", "x", "-o"}, "--output: needs a value: see 'unshard convert --help'");
    check_usage_error({"convert", "x", "--output="}, "--output: needs a value: see 'unshard convert --help'");
    check_usage_error({"convert", "x", "--output=", "-q"}, "--output: needs a value: see 'unshard convert --help'");
    check_usage_error({"plan", "x", "--drop=", "y"}, "--drop: needs a value: see 'unshard plan --help'");
    check_usage_error({"convert", "x", "-o", "y", "--drop"}, "--drop: needs a value: see 'unshard convert --help'");
    check_usage_error({"convert", "x", "-o", "y", "-o", "z"},
                      "--output: is given more than once: see 'unshard convert --help'");
}

TEST_CASE("bad values are named with the option") {
    check_usage_error({"convert", "x", "-o", "y", "--tile-mib", "0"},
                      "--tile-mib 0: 'tile_mib' in [engine] is 0: it must be 1 to 1024");
    check_usage_error({"convert", "x", "-o", "y", "--threads", "many"},
                      "--threads many: 'threads' in [engine] is a string: it must be an integer");
    check_usage_error({"convert", "x", "-o", "y", "--drop", "("}, "--drop (: '(' is no RE2 pattern: missing ): (");
    check_usage_error({"convert", "x", "-o", "y", "--progress", "maybe"},
                      "--progress 'maybe': it must be auto, always or never");
    check_usage_error({"convert", "x", "-o", "y", "--set", "root"},
                      "--set root: write it as key=value, like --set input.root=model");
    check_usage_error({"convert", "x", "-o", ""}, "--output : 'path' in [[output]] is empty");
}

TEST_CASE("a flag takes no value") {
    check_usage_error({"convert", "x", "-o", "y", "--force=banana"},
                      "--force: takes no value: see 'unshard convert --help'");
    check_usage_error({"convert", "x", "-o", "y", "--force="}, "--force: takes no value: see 'unshard convert --help'");
}

TEST_CASE("a path may be called like a command") {
    CHECK(unshard_process({"convert", "plan", "-o", "diff"}).err ==
          "unshard: plan: there is no such file or directory\n");
}

TEST_CASE("an error is one line whatever the names hold") {
    const ProcessResult result = unshard_process({"inspect", "no\nsuch\x1b[31m"});
    CHECK(result.err == "unshard: no\\nsuch\\x1b[31m: there is no such file or directory\n");
    CHECK(result.exit_code == 1);
}

TEST_CASE("a path that the system refuses is an error of that path") {
    const std::string name(300, 'a');
    for (const std::vector<std::string>& words : {std::vector{"convert"s, qwen3(), "-o"s, "x"s, "--assets"s, name},
                                                  {"run"s, name},
                                                  {"inspect"s, name},
                                                  {"diff"s, qwen3(), name},
                                                  {"convert"s, qwen3(), "-o"s, name}}) {
        const ProcessResult result = unshard_process(words);
        CAPTURE(words.front(), result.err);
        CHECK(result.exit_code == (words.front() == "diff" ? 2 : 1));
        CHECK(result.err.starts_with("unshard: " + name));
        CHECK(result.err.ends_with(": File name too long\n"));
    }
}

TEST_CASE("a pipeline's mistakes are told with file, line and column") {
    const TempDir directory;
    write_file(directory / "p.toml", "version = 1\n[input]\npaht = 'x'\n");
    const ProcessResult result = unshard_process({"run", "p.toml"}, directory.path());
    CHECK(result.err == "unshard: p.toml:3:8: unknown key 'paht' in [input]: did you mean 'path'?\n");
    CHECK(result.exit_code == 2);
    check_usage_error({"run", "/nowhere.toml"}, "/nowhere.toml: cannot open: No such file or directory");
}

TEST_CASE("a checkpoint for run and a pipeline for convert are set right") {
    check_usage_error({"run", qwen3()},
                      qwen3() + ": is a directory, no pipeline: unshard convert " + qwen3() + " -o OUTPUT");
    const std::string pipeline = std::string(UNSHARD_SOURCE_DIR) + "/configs/fsdp-to-hf.toml";
    check_usage_error({"convert", pipeline, "-o", "x"},
                      pipeline + ": is a pipeline, no checkpoint: unshard run " + pipeline);
}

TEST_CASE("plugins are listed by kind, with files on request") {
    const ProcessResult brief = unshard_process({"plugins"}), verbose = unshard_process({"plugins", "-v"});
    CHECK(brief.exit_code == 0);
    CHECK(brief.out.find("\n  fsdp ") != std::string::npos);
    CHECK(brief.out.find("\nwriters\n") != std::string::npos);
    CHECK(brief.out.find(".so") == std::string::npos);
    const std::string directory = std::string(UNSHARD_BINARY_DIR) + "/lib/unshard/plugins";
    CHECK(verbose.out.find(directory + "/unshard-reader-fsdp.so\n") != std::string::npos);
    CHECK(verbose.out.find("search path\n  " + directory + "\n") != std::string::npos);
}

TEST_CASE("a full standard output is an error") {
    const ProcessResult result = run_process(
        {"/bin/sh", "-c", "exec \"$0\" --version > /dev/full", std::string(UNSHARD_BINARY_DIR) + "/bin/unshard"});
    CHECK(result.err == "unshard: standard output: cannot write: No space left on device\n");
    CHECK(result.exit_code == 1);
}
