#include "cli/checkpoints.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "unit/engine/temp_dir.hpp"

#include <nlohmann/json.hpp>

using namespace unshard::test;

namespace {

const std::string kTruth = golden("fsdp-qwen3-4ranks/truth.safetensors");

/// The truth with one bit of its last byte changed.
void write_damaged(const std::string& path) {
    std::string bytes = read_file(kTruth);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    write_file(path, bytes);
}

}  // namespace

TEST_CASE("diff of a checkpoint and the model that was sharded says that they are the same") {
    const ProcessResult result = unshard_process({"diff", qwen3(), kTruth});
    CHECK(result.exit_code == 0);
    CHECK(result.err.empty());
    CHECK(result.out.starts_with("A  " + qwen3() + ": FSDP, 4 ranks, "));
    CHECK(result.out.find("\nthe same: ") != std::string::npos);
}

TEST_CASE("diff finds one bit, and exits with 1") {
    const TempDir directory;
    write_damaged(directory / "b.safetensors");
    const ProcessResult result = unshard_process({"diff", qwen3(), directory / "b.safetensors"});
    CHECK(result.exit_code == 1);
    CHECK(result.out.find("1 of ") != std::string::npos);
    CHECK(result.out.find("\ndifferent: ") != std::string::npos);
    const auto json =
        nlohmann::json::parse(unshard_process({"diff", qwen3(), directory / "b.safetensors", "--json"}).out);
    CHECK(json["same"] == false);
    REQUIRE(json["different"].size() == 1);
    CHECK(json["different"][0]["differing"] == 1);
    CHECK(unshard_process({"diff", qwen3(), directory / "b.safetensors", "--quiet"}).out.empty());
}

TEST_CASE("diff says what only one side has, and other types with the same values") {
    const TempDir directory;
    CHECK(unshard_process({"convert", qwen3(), "-o", directory / "f32", "--dtype", "f32"}).exit_code == 0);
    const ProcessResult types = unshard_process({"diff", kTruth, directory / "f32"});
    CHECK(types.exit_code == 1);
    CHECK(types.out.find("  bf16 and f32 (") != std::string::npos);
    CHECK(types.out.find("  the same values\n") != std::string::npos);
    CHECK(types.out.find("different: 0 tensors equal") != std::string::npos);
    const ProcessResult dropped = unshard_process({"diff", kTruth, qwen3(), "--set-b", "select.drop=['norm']"});
    CHECK(dropped.exit_code == 1);
    CHECK(dropped.out.find("only in A:\n") != std::string::npos);
    CHECK(dropped.out.find("left out of the other: [select] drop 'norm'") != std::string::npos);
    CHECK(unshard_process({"diff", kTruth, qwen3(), "--drop", "norm"}).exit_code == 0);
}

TEST_CASE("diff of a tied checkpoint leaves the head out as a conversion does") {
    const TempDir directory;
    CHECK(unshard_process({"convert", qwen2_tied(), "-o", directory / "hf"}).exit_code == 0);
    CHECK(unshard_process({"diff", qwen2_tied(), directory / "hf"}).exit_code == 0);
    const ProcessResult kept =
        unshard_process({"diff", directory / "hf", qwen2_tied(), "--set-b", "select.keep=['^lm_head']"});
    CHECK(kept.exit_code == 1);
    CHECK(kept.out.find("only in B:\n  lm_head.weight ") != std::string::npos);
}

TEST_CASE("diff needs two models, and says what is wrong with an option") {
    CHECK(unshard_process({"diff"}).exit_code == 2);
    const ProcessResult one = unshard_process({"diff", qwen3()});
    CHECK(one.exit_code == 2);
    CHECK(one.err == "unshard: two models are needed: unshard diff A B\n");
    const ProcessResult output = unshard_process({"diff", qwen3(), qwen3(), "--set-a", "output.dtype=f16"});
    CHECK(output.exit_code == 2);
    CHECK(output.err == "unshard: --set-a output.dtype=f16: the pipeline has no [[output]]\n");
    const ProcessResult set = unshard_process({"diff", qwen3(), qwen3(), "--set-a", "reader"});
    CHECK(set.exit_code == 2);
    CHECK(set.err == "unshard: --set-a reader: write it as key=value, like --set-a input.root=model\n");
    CHECK(unshard_process({"diff", qwen3(), "/nowhere"}).exit_code == 1);
}
