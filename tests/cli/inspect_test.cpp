#include "cli/checkpoints.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

using namespace unshard::test;

TEST_CASE("inspect shows a checkpoint with its layers in one line") {
    const ProcessResult result = unshard_process({"inspect", qwen3()});
    CHECK(result.exit_code == 0);
    CHECK(result.err.empty());
    CHECK(result.out.starts_with(qwen3() + ": FSDP, 4 ranks (reader fsdp)\n  4 files, "));
    CHECK(result.out.find("  mesh (4) ('fsdp'): ranks 0-3\n") != std::string::npos);
    CHECK(result.out.find("  model.layers.{0,1}.mlp.up_proj.weight               bf16  (48, 32)   "
                          "Shard(0) x4 on ('fsdp')  x2   6.00 KiB\n") != std::string::npos);
    const ProcessResult all = unshard_process({"inspect", qwen3(), "--all"});
    CHECK(all.out.find("  model.layers.1.mlp.up_proj.weight ") != std::string::npos);
}

TEST_CASE("inspect as JSON has every shard of every tensor") {
    const auto json = nlohmann::json::parse(unshard_process({"inspect", qwen3(), "--json"}).out);
    CHECK(json["reader"] == "fsdp");
    CHECK(json["ranks"] == 4);
    CHECK(json["files"].size() == 4);
    CHECK(json["meshes"] == nlohmann::json::parse(R"([{"shape": [4], "dim_names": ["fsdp"], "ranks": [0, 1, 2, 3]}])"));
    CHECK(json["tensors"].size() == 25);
    const auto is_norm = [](const auto& tensor) { return tensor["name"] == "model.norm.weight"; };
    const auto tensor = std::ranges::find_if(json["tensors"], is_norm);
    REQUIRE(tensor != json["tensors"].end());
    CHECK((*tensor)["shape"] == nlohmann::json{32});
    CHECK((*tensor)["shards"].size() == 4);
    CHECK((*tensor)["shards"][3]["rank"] == 3);
    CHECK((*tensor)["shards"][3]["placements"] == nlohmann::json{"Shard(0)"});
}

TEST_CASE("inspect reads safetensors") {
    const ProcessResult result = unshard_process({"inspect", golden("fsdp-llama-1rank/truth.safetensors")});
    CHECK(result.exit_code == 0);
    CHECK(result.out.find(": safetensors, 1 file (reader safetensors)\n  1 file, ") != std::string::npos);
    CHECK(result.out.find("  model.norm.weight ") != std::string::npos);
}

TEST_CASE("a directory with several checkpoints lists them") {
    const ProcessResult result = unshard_process({"inspect", golden("")});
    CHECK(result.exit_code == 1);
    CHECK(result.err.find(" checkpoints: name one of '") != std::string::npos);
    CHECK(result.err.find("/fsdp-llama-1rank', ") != std::string::npos);
}

TEST_CASE("a directory without a checkpoint says what was looked for") {
    const TempDir directory;
    const ProcessResult result = unshard_process({"inspect", directory.path()});
    CHECK(result.exit_code == 1);
    CHECK(result.err.starts_with("unshard: " + directory.path() +
                                 ": no checkpoint here or up to three levels below. Looked for: "));
}
