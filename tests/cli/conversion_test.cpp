#include "cli/checkpoints.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

#include <nlohmann/json.hpp>

using namespace unshard::test;

namespace {

using Words = std::vector<std::string>;

std::string model_bytes(const std::string& directory) {
    return read_file(directory + "/model.safetensors");
}

}  // namespace

TEST_CASE("convert writes the model that PyTorch had, and says what it did") {
    const TempDir directory;
    const ProcessResult result = unshard_process({"convert", qwen3(), "-o", directory / "hf"});
    CHECK(result.exit_code == 0);
    CHECK(result.err.empty());
    CHECK(result.out.starts_with(qwen3() + ": FSDP, 4 ranks (reader fsdp, merger placement)\n"));
    CHECK(result.out.find("\nwrote ") != std::string::npos);
    CHECK(model_bytes(directory / "hf") == read_file(golden("fsdp-qwen3-4ranks/truth.safetensors")));
    CHECK(read_file(directory / "hf/tokenizer.json") == read_file(qwen3() + "/huggingface/tokenizer.json"));
}

TEST_CASE("a tied head is left out, unless it is kept") {
    const TempDir directory;
    const auto dropped = [&](const Words& more) {
        Words words = {"convert", qwen2_tied(), "-o", directory / "hf", "--force", "--json"};
        words.insert(words.end(), more.begin(), more.end());
        return nlohmann::json::parse(unshard_process(words).out)["dropped"];
    };
    CHECK(dropped({}) == nlohmann::json::parse(
                             R"([{"name": "lm_head.weight",
                                  "why": "tied to 'model.embed_tokens.weight', to which it must be bit-identical"}])"));
    CHECK(dropped({"--keep", "^lm_head"}).empty());
}

TEST_CASE("a layer that config.json counts and no rank has is an error, or a warning when it may be missing") {
    const TempDir directory;
    auto config = nlohmann::json::parse(read_file(qwen3() + "/huggingface/config.json"));
    config["num_hidden_layers"] = config["num_hidden_layers"].get<int>() + 1;
    write_file(directory / "config.json", config.dump());
    const Words words = {"convert", qwen3(), "-o", directory / "hf", "--assets", directory.path()};
    const ProcessResult refused = unshard_process(words);
    CHECK(refused.exit_code == 1);
    CHECK(refused.err.find(" missing: 'model.layers.") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(directory / "hf"));
    Words allowing = words;
    allowing.push_back("--allow-missing");
    const ProcessResult allowed = unshard_process(allowing);
    CHECK(allowed.exit_code == 0);
    CHECK(allowed.err.starts_with("unshard: warning: Qwen3ForCausalLM: "));
    CHECK(model_bytes(directory / "hf") == read_file(golden("fsdp-qwen3-4ranks/truth.safetensors")));
}

TEST_CASE("run of a printed pipeline gives the bytes that convert gives") {
    const TempDir directory;
    CHECK(unshard_process({"convert", qwen3(), "-o", directory / "a", "--dtype", "f32"}).exit_code == 0);
    const ProcessResult printed =
        unshard_process({"convert", qwen3(), "-o", directory / "b", "--dtype", "f32", "--print-pipeline"});
    write_file(directory / "p.toml", printed.out);
    CHECK(unshard_process({"run", directory / "p.toml", "--threads", "1", "--tile-mib", "1"}).exit_code == 0);
    CHECK(model_bytes(directory / "a") == model_bytes(directory / "b"));
    CHECK(read_file(directory / "a/config.json") == read_file(directory / "b/config.json"));
}

TEST_CASE("the pipeline that comes along gives the bytes that convert gives") {
    const TempDir directory;
    CHECK(unshard_process({"convert", qwen3(), "-o", directory / "a"}).exit_code == 0);
    const std::string pipeline = std::string(UNSHARD_SOURCE_DIR) + "/configs/fsdp-to-hf.toml";
    const ProcessResult run = unshard_process({"run", pipeline, "--input", qwen3(), "--output", directory / "b"});
    CHECK(run.err.empty());
    CHECK(run.exit_code == 0);
    CHECK(model_bytes(directory / "a") == model_bytes(directory / "b"));
}

TEST_CASE("init makes a pipeline that runs as it is") {
    const TempDir directory;
    const ProcessResult init = unshard_process({"init", qwen3()});
    CHECK(init.exit_code == 0);
    CHECK(init.out.starts_with("# " + qwen3() + ": FSDP, 4 ranks, 25 tensors, "));
    write_file(directory / "p.toml", init.out);
    CHECK(unshard_process({"run", "p.toml"}, directory.path()).exit_code == 0);
    CHECK(model_bytes(directory / "out/hf") == read_file(golden("fsdp-qwen3-4ranks/truth.safetensors")));
}

TEST_CASE("plan writes nothing and lists the files that would be") {
    const TempDir directory;
    const ProcessResult result = unshard_process({"plan", qwen3(), "-o", directory / "hf"});
    CHECK(result.exit_code == 0);
    CHECK(result.out.find("  model.safetensors  72.84 KiB\n") != std::string::npos);
    CHECK(result.out.ends_with("nothing was written: this is the plan\n"));
    CHECK(directory.entries().empty());
}

TEST_CASE("an output that exists is replaced only when forced") {
    const TempDir directory;
    const Words words = {"convert", qwen3(), "-o", directory / "hf"};
    CHECK(unshard_process(words).exit_code == 0);
    write_file(directory / "hf/model.safetensors", "mine");
    const ProcessResult refused = unshard_process(words);
    CHECK(refused.exit_code == 1);
    CHECK(refused.out.empty());
    CHECK(model_bytes(directory / "hf") == "mine");
    Words forced = words;
    forced.push_back("--force");
    CHECK(unshard_process(forced).exit_code == 0);
    CHECK(model_bytes(directory / "hf") == read_file(golden("fsdp-qwen3-4ranks/truth.safetensors")));
}

TEST_CASE("a failed conversion leaves nothing") {
    const TempDir directory;
    const ProcessResult result = unshard_process({"convert", directory / "nope", "-o", directory / "hf"});
    CHECK(result.err == "unshard: " + (directory / "nope") + ": there is no such file or directory\n");
    CHECK(result.exit_code == 1);
    CHECK(directory.entries().empty());
}

TEST_CASE("warnings go to standard error, and quiet leaves errors alone") {
    const TempDir directory;
    Words words = {"convert", qwen3(), "-o", directory / "hf", "--drop", "nothing_of_that_name"};
    const ProcessResult loud = unshard_process(words);
    CHECK(loud.err == "unshard: warning: [select] drop 'nothing_of_that_name': matches no tensor\n");
    words.insert(words.end(), {"--force", "--quiet"});
    const ProcessResult quiet = unshard_process(words);
    CHECK(quiet.err.empty());
    CHECK(quiet.out.empty());
    CHECK(quiet.exit_code == 0);
}

TEST_CASE("progress without a terminal is shown only when asked for, in plain lines") {
    const TempDir directory;
    const ProcessResult result = unshard_process({"convert", qwen3(), "-o", directory / "hf", "--progress", "always"});
    CHECK(result.err.find("100%") != std::string::npos);
    CHECK(result.err.find('\r') == std::string::npos);
    CHECK(result.err.find('\x1b') == std::string::npos);
}

TEST_CASE("a conversion outlives whoever reads its messages") {
    const TempDir directory;
    const ProcessResult result =
        run_process({"/bin/sh", "-c", "\"$0\" convert \"$1\" -o hf --progress always --drop x 2>&1 | true",
                     std::string(UNSHARD_BINARY_DIR) + "/bin/unshard", qwen3()},
                    directory.path());
    CHECK(result.err.empty());
    CHECK(model_bytes(directory / "hf") == read_file(golden("fsdp-qwen3-4ranks/truth.safetensors")));
}

TEST_CASE("directories may have the names of commands") {
    const TempDir directory;
    std::filesystem::copy(qwen3(), directory / "plan", std::filesystem::copy_options::recursive);
    CHECK(unshard_process({"convert", "plan", "-o", "run"}, directory.path()).exit_code == 0);
    CHECK(model_bytes(directory / "run") == read_file(golden("fsdp-qwen3-4ranks/truth.safetensors")));
}
