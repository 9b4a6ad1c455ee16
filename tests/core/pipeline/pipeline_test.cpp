#include "pipeline/pipeline.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

#include <fmt/format.h>

using namespace unshard;
using namespace unshard::test;

namespace {

constexpr const char* kMinimal = "version = 1\n[input]\npath = 'ckpt'\n[[output]]\npath = 'out'\n";

/// A pipeline file called p.toml in a directory of its own.
struct PipelineFile {
    TempDir directory;
    std::string file = directory / "p.toml";

    explicit PipelineFile(const std::string& text) { write_file(file, text); }
    Pipeline load() const { return load_pipeline(file, {}, true); }
    /// The error, without the directory.
    std::string error() const {
        const std::string text = error_of([&] { load(); });
        return text.starts_with(directory.path() + "/") ? text.substr(directory.path().size() + 1) : text;
    }
};

std::string error_in(const std::string& text) {
    return PipelineFile(text).error();
}

}  // namespace

TEST_CASE("a minimal pipeline gets the documented defaults") {
    const PipelineFile file(kMinimal);
    const Pipeline p = file.load();
    CHECK(p.input.path == file.directory / "ckpt");
    CHECK(p.input.reader == "auto");
    CHECK(p.input.assets == "auto");
    CHECK(p.input.root == "auto");
    CHECK(p.merge.merger == "auto");
    CHECK_FALSE(p.merge.verify_replicas);
    CHECK(p.select.strip == std::vector<std::string>{"auto"});
    REQUIRE(p.outputs.size() == 1);
    CHECK(p.outputs[0].path == file.directory / "out");
    CHECK(p.outputs[0].writer == "safetensors");
    CHECK(p.outputs[0].dtype == "keep");
    CHECK(p.engine.threads == 0);
    CHECK(p.engine.tile_mib == 4);
}

TEST_CASE("the writer follows from the output's name, its dtype from the writer") {
    const Pipeline p = PipelineFile(std::string(kMinimal) + "[[output]]\npath = 'm.gguf'\n").load();
    CHECK(p.outputs[1].writer == "gguf");
    CHECK(p.outputs[1].dtype == "auto");
}

TEST_CASE("relative paths are relative to the pipeline file, absolute ones stay") {
    const PipelineFile file(
        "version = 1\n[input]\npath = '/data/ckpt'\nassets = 'hf'\n[merge]\nrules = 'rules/llama.toml'\n"
        "[[output]]\npath = '../out'\n[engine]\nplugin_path = ['mine', '/theirs']\n");
    const Pipeline p = file.load();
    CHECK(p.input.path == "/data/ckpt");
    CHECK(p.input.assets == file.directory / "hf");
    CHECK(p.merge.rules == file.directory / "rules/llama.toml");
    CHECK(p.outputs[0].path == file.directory / "../out");
    CHECK(p.engine.plugin_path == std::vector<std::string>{file.directory / "mine", "/theirs"});
}

TEST_CASE("names of rules and of no assets are not paths") {
    const Pipeline p = PipelineFile(
                           "version = 1\n[input]\npath = 'c'\nassets = 'none'\n[merge]\nrules = 'llama'\n"
                           "[[output]]\npath = 'o'\n")
                           .load();
    CHECK(p.input.assets == "none");
    CHECK(p.merge.rules == "llama");
}

TEST_CASE("a plugin's options reach it as JSON") {
    const Pipeline p = PipelineFile(std::string(kMinimal) +
                                    "[output.options]\nn = 3\nx = 0.5\nflags = [true, 'a']\nsub = { k = 'v' }\n")
                           .load();
    CHECK(p.outputs[0].options == nlohmann::json::parse(R"({"n":3,"x":0.5,"flags":[true,"a"],"sub":{"k":"v"}})"));
}

TEST_CASE("options that JSON does not have are errors with their place") {
    for (const auto& [value, column, place] :
         {std::tuple{"inf", 5, "x"}, {"-nan", 5, "x"}, {"1979-05-27", 5, "x"}, {"[1, 07:32:00]", 9, "x/1"}}) {
        CHECK(error_in(fmt::format("{}[output.options]\nx = {}\n", kMinimal, value)) ==
              fmt::format("p.toml:7:{}: '/output/0/options/{}' is a date, a time or a number that is not finite, which "
                          "has no use here",
                          column, place));
    }
}

TEST_CASE("unknown keys are errors with their place and the nearest known key") {
    CHECK(error_in("version = 1\n[input]\npaht = 'ckpt'\n") ==
          "p.toml:3:8: unknown key 'paht' in [input]: did you mean 'path'?");
    CHECK(
        error_in("version = 1\nthreads = 3\n[input]\npath = 'c'\n") ==
        "p.toml:2:11: unknown key 'threads' at the top level: known are version, input, merge, select, output, engine");
    CHECK(error_in(std::string(kMinimal) + "dtipe = 'f16'\n") ==
          "p.toml:6:9: unknown key 'dtipe' in [[output]]: did you mean 'dtype'?");
}

TEST_CASE("wrong types are errors with their place") {
    CHECK(error_in("version = 1\n[input]\npath = 3\n") ==
          "p.toml:3:8: 'path' in [input] is an integer: it must be a string");
    CHECK(error_in("version = 1\ninput = 3\n") ==
          "p.toml:2:9: 'input' at the top level is an integer: it must be a table");
    CHECK(error_in(std::string(kMinimal) + "[engine]\ntile_mib = 1.5\n") ==
          "p.toml:7:12: 'tile_mib' in [engine] is a floating-point number: it must be an integer");
    CHECK(error_in(std::string(kMinimal) + "[merge]\nverify_replicas = 'yes'\n") ==
          "p.toml:7:19: 'verify_replicas' in [merge] is a string: it must be true or false");
    CHECK(error_in(std::string(kMinimal) + "[select]\ndrop = ['a', 1]\n") ==
          "p.toml:7:14: 'drop[1]' in [select] is an integer: it must be a string");
    CHECK(error_in("version = 1\n[input]\npath = 'c'\n[output]\npath = 'o'\n") ==
          "p.toml:4:1: 'output' at the top level is a table: it must be an array of tables");
}

TEST_CASE("values out of range are errors with their place") {
    CHECK(error_in(std::string(kMinimal) + "[engine]\nthreads = -1\n") ==
          "p.toml:7:11: 'threads' in [engine] is -1: it must be 0 to 1024");
    CHECK(error_in(std::string(kMinimal) + "[engine]\ntile_mib = 4096\n") ==
          "p.toml:7:12: 'tile_mib' in [engine] is 4096: it must be 1 to 1024");
}

TEST_CASE("a version other than 1 is refused") {
    CHECK(error_in("[input]\npath = 'c'\n") ==
          "p.toml:1:1: 'version' is missing: begin the pipeline with 'version = 1'");
    CHECK(error_in("version = 2\n") == "p.toml:1:11: version is 2, this unshard reads version 1");
}

TEST_CASE("what must be there and is not is named") {
    CHECK(error_in("version = 1\n[input]\n[[output]]\npath = 'o'\n") == "p.toml:2:1: 'path' in [input] is missing");
    CHECK(error_in("version = 1\n[input]\npath = ''\n") == "p.toml:3:8: 'path' in [input] is empty");
    CHECK(error_in("version = 1\n[input]\npath = 'c'\n") ==
          "p.toml: there is no [[output]]: add one with path = \"...\"");
    CHECK(error_in("version = 1\n[[output]]\npath = 'o'\n") == "p.toml:1:1: 'input' at the top level is missing");
}

TEST_CASE("bad patterns and replacements are found before anything is read") {
    CHECK(error_in(std::string(kMinimal) + "[select]\ndrop = ['(']\n") ==
          "p.toml:7:8: '(' is no RE2 pattern: missing ): (");
    CHECK(error_in(std::string(kMinimal) + "[select]\nrename = [{ from = 'a', to = '\\1' }]\n") ==
          "p.toml:7:20: bad replacement '\\1' for pattern 'a': Rewrite schema requests 1 matches, but the regexp only "
          "has 0 parenthesized subexpressions.");
    CHECK(error_in(std::string(kMinimal) + "[select]\nrename = [{ to = 'b' }]\n") ==
          "p.toml:7:11: a rename needs from = 'pattern' and to = 'name'");
}

TEST_CASE("two outputs in one place are refused") {
    const PipelineFile same(
        "version = 1\n[input]\npath = 'c'\n[[output]]\npath = '/o/x'\n[[output]]\npath = '/o/./x/'\n");
    CHECK(same.error() == "p.toml:4:1: outputs '/o/x' and '/o/./x/' lie in each other: give each a path of its own");
    const PipelineFile nested(
        "version = 1\n[input]\npath = 'c'\n[[output]]\npath = '/o'\n[[output]]\npath = '/o/m.gguf'\n");
    CHECK(nested.error() == "p.toml:6:1: outputs '/o/m.gguf' and '/o' lie in each other: give each a path of its own");
}

TEST_CASE("what is no TOML is an error with its place") {
    CHECK(error_in("version = 1\n[input\n").starts_with("p.toml:2:7: "));
    CHECK(error_of([] { load_pipeline("/nowhere/p.toml", {}, false); }) ==
          "/nowhere/p.toml: cannot open: No such file or directory");
}
