// The model that docs/models.md adds step by step, with the files that stand there.

#include "cli/checkpoints.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

using namespace unshard::test;

namespace {

/// What stands in the document between "```toml" and "```".
std::vector<std::string> documented_files() {
    const std::string text = read_file(UNSHARD_SOURCE_DIR "/docs/models.md");
    const std::string begin = "```toml\n", end = "```\n";
    std::vector<std::string> files;
    for (std::size_t at = text.find(begin); at != std::string::npos; at = text.find(begin, at)) {
        at += begin.size();
        files.push_back(text.substr(at, text.find(end, at) - at));
    }
    return files;
}

void replace(std::string& text, const std::string& from, const std::string& to) {
    REQUIRE(text.find(from) != std::string::npos);
    text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE("the documented model is complete, and has a GGUF form") {
    const std::vector<std::string> files = documented_files();
    REQUIRE(files.size() == 3);
    const TempDir directory;
    std::filesystem::copy(qwen3(), directory / "ckpt", std::filesystem::copy_options::recursive);
    std::string config = read_file(directory / "ckpt/huggingface/config.json");
    replace(config, "Qwen3ForCausalLM", "TinyForCausalLM");
    replace(config, R"("model_type": "qwen3")", R"("model_type": "tiny")");
    write_file(directory / "ckpt/huggingface/config.json", config);
    std::filesystem::create_directory(directory / "models");
    write_file(directory / "models/tiny.toml", files[0] + "\n" + files[2]);
    write_file(directory / "pipeline.toml", files[1]);

    const ProcessResult plan = unshard_process({"plan", "pipeline.toml"}, directory.path());
    CHECK(plan.out.find("complete: all tensors as TinyForCausalLM has them (tiny.toml)\n") != std::string::npos);
    const ProcessResult gguf = unshard_process(
        {"convert", "ckpt", "-o", "tiny.gguf", "--set", "output.options.model_dir=models"}, directory.path());
    CHECK(gguf.exit_code == 0);

    std::string wrong = files[0];
    replace(wrong, R"("heads * head_dim", "hidden")", R"("heads * head_dim", "hiden")");
    write_file(directory / "models/tiny.toml", wrong);
    const ProcessResult slip = unshard_process({"plan", "pipeline.toml"}, directory.path());
    CHECK(read_file(UNSHARD_SOURCE_DIR "/docs/models.md").find("    " + slip.err) != std::string::npos);
    CHECK(slip.exit_code == 2);
}
