// Files that are not what they seem, limits of the system, and what becomes of messages.

#include "cli/checkpoints.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

#include <nlohmann/json.hpp>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace unshard::test;
using namespace std::string_literals;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

const std::string kProgram = std::string(UNSHARD_BINARY_DIR) + "/bin/unshard";

/// A checkpoint of one's own, to be spoilt.
struct Copied {
    TempDir dir;
    std::string ckpt = dir / "ckpt";
    std::string assets = ckpt + "/huggingface";
    std::string rank0 = ckpt + "/model_world_size_4_rank_0.pt";

    Copied() { fs::copy(qwen3(), ckpt, fs::copy_options::recursive); }
    ProcessResult convert(const Words& more = {}) const {
        Words words = {"convert", ckpt, "-o", dir / "hf"};
        words.insert(words.end(), more.begin(), more.end());
        return unshard_process(words);
    }
};

ProcessResult shell(const std::string& script, const Words& arguments, const std::string& directory = "/") {
    Words words = {"/bin/sh", "-c", script, kProgram};
    words.insert(words.end(), arguments.begin(), arguments.end());
    return run_process(words, directory);
}

bool is_model(const std::string& directory) {
    return read_file(directory + "/model.safetensors") == read_file(golden("fsdp-qwen3-4ranks/truth.safetensors"));
}

}  // namespace

TEST_CASE("a pipe in place of any file is an error that names it, at once") {
    for (const char* name : {"model_world_size_4_rank_2.pt", "fsdp_config.json", "huggingface/config.json",
                             "huggingface/tokenizer.json", "huggingface/generation_config.json"}) {
        for (const char* output : {"hf", "m.gguf"}) {
            const Copied copied;
            const std::string path = copied.ckpt + "/" + name;
            fs::remove(path);
            ::mkfifo(path.c_str(), 0600);
            const ProcessResult result = unshard_process({"convert", copied.ckpt, "-o", copied.dir / output});
            CAPTURE(result.err);
            CHECK(result.err == "unshard: " + path + ": not a regular file\n");
            CHECK(result.exit_code == 1);
        }
    }
}

TEST_CASE("links that leave the model's directory are refused, each that is copied or read") {
    for (const char* name : {"tokenizer.json", "vocab.txt", "own.jinja", "generation_config.json", "config.json"}) {
        const Copied copied;
        write_file(copied.dir / "secret", "{}");
        fs::remove(copied.assets + "/" + name);
        fs::create_symlink(copied.dir / "secret", copied.assets + "/" + name);
        const ProcessResult result = copied.convert();
        CHECK(result.err == "unshard: " + copied.assets + "/" + name + ": is a link to '" + (copied.dir / "secret") +
                                "', outside the model's directory: put a copy in its place, if it is meant\n");
        CHECK_FALSE(fs::exists(copied.dir / "hf"));
    }
}

TEST_CASE(
    "model code that is a link to elsewhere is refused, and so is a link for the whole directory, unless it is named") {
    const Copied copied;
    auto config = nlohmann::json::parse(read_file(copied.assets + "/config.json"));
    config["auto_map"] = {{"AutoModel", "modeling_x.X"}};
    write_file(copied.assets + "/config.json", config.dump());
    write_file(copied.dir / "secret.py", "x = 1\n");
    fs::create_symlink(copied.dir / "secret.py", copied.assets + "/modeling_x.py");
    CHECK(copied.convert().err.find("modeling_x.py: is a link to") != std::string::npos);
    fs::remove(copied.assets + "/modeling_x.py");
    fs::rename(copied.assets, copied.dir / "elsewhere");
    fs::create_directory_symlink(copied.dir / "elsewhere", copied.assets);
    CHECK(copied.convert().err == "unshard: " + copied.assets + ": is a link to '" + (copied.dir / "elsewhere") +
                                      "', outside the checkpoint: pass --assets " + copied.assets +
                                      " if it is meant\n");
    CHECK(copied.convert({"--assets", copied.assets}).exit_code == 0);
}

TEST_CASE("what cannot be looked at is not taken for absent") {
    const Copied copied;
    fs::create_symlink("nothing", copied.assets + "/added_tokens.json");
    CHECK(copied.convert().err == "unshard: " + copied.assets + "/added_tokens.json: is a link to nothing\n");
    CHECK(copied.convert({"--assets", "/nope"}).err ==
          "unshard: /nope: is no directory: --assets names one with config.json\n");
    CHECK(copied.convert({"--assets", "/"}).err ==
          "unshard: /: has no config.json: name the directory that has one, or pass --assets none\n");
}

TEST_CASE("deep and long settings are refused in one short line") {
    for (const std::string& text : {std::string(200'000, '['), "{\"a\": \"" + std::string(20'000'000, 'x')}) {
        const Copied copied;
        write_file(copied.assets + "/config.json", text);
        const ProcessResult result = copied.convert();
        CHECK(result.err.starts_with("unshard: " + copied.assets + "/config.json: "));
        CHECK(result.err.size() < 500);
        CHECK(result.err.find("json.exception") == std::string::npos);
        CHECK(result.exit_code == 1);
    }
    const Copied copied;
    std::string key = "a";
    for (int i = 0; i < 100'000; ++i) key += ".a";
    write_file(copied.dir / "p.toml", "version = 1\n" + key + " = 1\n");
    const ProcessResult result = unshard_process({"run", copied.dir / "p.toml"});
    CHECK(result.err == "unshard: " + (copied.dir / "p.toml") + ": nested deeper than 100 levels\n");
    CHECK(result.exit_code == 2);
}

TEST_CASE("hundreds of files take few descriptors") {
    const Copied copied;
    const ProcessResult many = shell("ulimit -n 40; exec \"$0\" convert \"$1\" -o \"$2\" --max-shard-size 1KB",
                                     {copied.ckpt, copied.dir / "parts"});
    CHECK(many.err.empty());
    CHECK(many.exit_code == 0);
    CHECK(std::distance(fs::directory_iterator(copied.dir / "parts"), {}) > 25);
    CHECK(unshard_process({"diff", copied.ckpt, copied.dir / "parts"}).exit_code == 0);
}

// Sanitizers take terabytes of addresses.
#ifndef UNSHARD_SANITIZED
TEST_CASE("without memory there is one line") {
    int failed = 0;
    for (const int kib : {20'000, 30'000, 40'000, 60'000, 90'000}) {
        const Copied copied;
        const ProcessResult result =
            shell("ulimit -v " + std::to_string(kib) + "; exec \"$0\" convert \"$1\" -o \"$2\" --quiet",
                  {copied.ckpt, copied.dir / "hf"});
        if (result.exit_code == 127) continue;  // not even loaded
        CAPTURE(kib, result.err);
        CHECK(result.exit_code <= 1);
        CHECK(fs::exists(copied.dir / "hf") == (result.exit_code == 0));
        failed += result.exit_code;
    }
    CHECK(failed > 0);
}
#endif

TEST_CASE("a conversion whose summary cannot be printed is done") {
    const Copied copied;
    const ProcessResult result =
        shell("exec \"$0\" convert \"$1\" -o \"$2\" > /dev/full", {copied.ckpt, copied.dir / "hf"});
    CHECK(result.err ==
          "unshard: warning: standard output: cannot write: No space left on device: the outputs are complete, their "
          "summary is not printed\n");
    CHECK(result.exit_code == 0);
    CHECK(is_model(copied.dir / "hf"));
}

TEST_CASE("many conversions at once into one new directory all succeed") {
    const Copied copied;
    const ProcessResult result = shell(
        "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do \"$0\" convert \"$1\" -o a/b/c/$i --quiet & jobs=\"$jobs $!\"; done\n"
        "for job in $jobs; do wait $job || exit 1; done",
        {copied.ckpt}, copied.dir.path());
    CHECK(result.err.empty());
    CHECK(result.exit_code == 0);
    CHECK(std::distance(fs::directory_iterator(copied.dir / "a/b/c"), {}) == 12);
}

TEST_CASE("a private checkpoint does not become a public model") {
    const Copied copied;
    ::chmod(copied.rank0.c_str(), 0600);
    CHECK(copied.convert().exit_code == 0);
    struct stat found{};
    ::stat((copied.dir / "hf/model.safetensors").c_str(), &found);
    CHECK((found.st_mode & 0777U) == 0600U);
}

TEST_CASE("what a killed conversion has left is removed by the next, which says so") {
    const Copied copied;
    const std::string left = copied.dir / ".hf.unshard-4194000-0";
    fs::create_directory(left);
    write_file(left + "/lock", "");
    write_file(left + "/new", "half");
    const ProcessResult result = copied.convert();
    CHECK(result.err == "unshard: warning: " + left + ": was left by a conversion that was killed, and is removed\n");
    CHECK(result.exit_code == 0);
    CHECK_FALSE(fs::exists(left));
}

TEST_CASE("files that a model needs are copied, what is not copied is named") {
    const Copied copied;
    const Words taken = {"tekken.json",
                         "normalizer.json",
                         "sentence_bert_config.json",
                         "LICENSE",
                         "config_sentence_transformers.json",
                         "spiece.model",
                         "1_Pooling/config.json"};
    fs::create_directory(copied.assets + "/1_Pooling");
    for (const std::string& name : taken) write_file(copied.assets + "/" + name, "{}");
    write_file(copied.assets + "/modules.json", R"([{"path": ""}, {"path": "1_Pooling"}])");
    fs::create_directory(copied.assets + "/runs");
    for (const char* name : {"optimizer.pt", "README.md", "trainer_state.json"})
        write_file(copied.assets + "/" + name, "x");
    const ProcessResult result = copied.convert({"--json"});
    CHECK(nlohmann::json::parse(result.out)["outputs"][0]["not_copied"] ==
          nlohmann::json{"README.md", "optimizer.pt", "runs/", "trainer_state.json"});
    for (const std::string& name : taken) CHECK(fs::exists(copied.dir / "hf/" + name));
    CHECK_FALSE(fs::exists(copied.dir / "hf/optimizer.pt"));
    CHECK(
        copied.convert({"--force"}).out.find("\n  not copied: README.md, optimizer.pt, runs/, trainer_state.json\n") !=
        std::string::npos);
}

TEST_CASE("a pipeline's own plugins are opened only when it is trusted") {
    const Copied copied;
    fs::create_directory(copied.dir / "mine");
    write_file(copied.dir / "p.toml",
               "version = 1\n[input]\npath = 'ckpt'\n[[output]]\npath = 'hf'\n[engine]\nplugin_path "
               "= ['mine']\n");
    const ProcessResult refused = unshard_process({"run", copied.dir / "p.toml"});
    CHECK(refused.err == "unshard: " + (copied.dir / "p.toml") +
                             ":7:15: 'plugin_path' names plugins, which are programs and run with your rights: pass "
                             "--trust-plugins if you trust whoever wrote this file\n");
    CHECK(refused.exit_code == 2);
    CHECK(unshard_process({"run", copied.dir / "p.toml", "--trust-plugins"}).exit_code == 0);
}

TEST_CASE("two outputs that are one place by a link are refused") {
    const Copied copied;
    fs::create_directory(copied.dir / "real");
    fs::create_directory_symlink(copied.dir / "real", copied.dir / "link");
    write_file(copied.dir / "p.toml",
               "version = 1\n[input]\npath = 'ckpt'\n[[output]]\npath = 'link/hf'\n[[output]]\npath = "
               "'real/hf/m.gguf'\n");
    const ProcessResult result = unshard_process({"run", copied.dir / "p.toml"});
    CHECK(result.err.find("lie in each other: give each a path of its own\n") != std::string::npos);
    CHECK(result.exit_code == 2);
}
