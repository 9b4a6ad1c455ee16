#include "cli/checkpoints.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

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
    CHECK(result.out.find("every byte is equal; only tensors were compared: B has no config.json; ") !=
          std::string::npos);
}

TEST_CASE("equal tensors with another configuration or tokenizer are not the same model") {
    const TempDir directory;
    REQUIRE(unshard_process({"convert", qwen3(), "-o", directory / "hf"}).exit_code == 0);
    const ProcessResult same = unshard_process({"diff", qwen3(), directory / "hf"});
    CHECK(same.exit_code == 0);
    CHECK(same.out.find("equal too: config.json, ") != std::string::npos);

    const std::string config = directory / "hf/config.json", tokenizer = directory / "hf/tokenizer.json";
    auto json = nlohmann::ordered_json::parse(read_file(config));
    json["hidden_act"] = "relu";
    json["transformers_version"] = "0";
    write_file(config, json.dump());
    write_file(tokenizer, read_file(tokenizer) + " ");
    std::filesystem::remove(directory / "hf/tokenizer_config.json");
    const ProcessResult other = unshard_process({"diff", qwen3(), directory / "hf"});
    CHECK(other.exit_code == 1);
    CHECK(other.out.find("\nconfig.json: 'hidden_act' is \"silu\" and \"relu\"\n") != std::string::npos);
    CHECK(other.out.find("\ntokenizer.json: its bytes differ\n") != std::string::npos);
    CHECK(other.out.find("\ntokenizer_config.json: only beside A\n") != std::string::npos);
    CHECK(other.out.find("; 3 differences of configuration and tokenizer; ") != std::string::npos);
}

TEST_CASE("an option for classes in pickles does no harm to a side that has none") {
    CHECK(unshard_process({"diff", qwen3(), kTruth, "--opaque", "some.Class"}).exit_code == 0);
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
    CHECK(unshard_process({"diff", qwen3(), "/nowhere"}).exit_code == 2);
}
