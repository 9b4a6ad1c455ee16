// Rank files that PyTorch itself wrote, releases 2.1 to 2.13 (tests/golden/README.md says how).

#include "formats/torch/state_dict.hpp"
#include "support/catch.hpp"

#include <algorithm>

using namespace unshard;

namespace {

torch::StateDict golden(const std::string& fixture, std::uint64_t world, std::uint64_t rank) {
    const InputFile file(std::string(UNSHARD_SOURCE_DIR) + "/tests/golden/" + fixture + "/ckpt/model_world_size_" +
                         std::to_string(world) + "_rank_" + std::to_string(rank) + ".pt");
    torch::StateDict dict = torch::read_state_dict(file, {rank, "", {}});
    REQUIRE_FALSE(dict.tensors.empty());
    return dict;
}

const SourceTensor& find(const torch::StateDict& dict, const std::string& name) {
    const auto found = std::ranges::find(dict.tensors, name, &SourceTensor::name);
    REQUIRE(found != dict.tensors.end());
    return *found;
}

const Placement kReplicate{}, kShard0{PlacementKind::shard, 0, 1};

}  // namespace

TEST_CASE("DTensors of every PyTorch release give the same mesh and placements") {
    struct Release {
        std::string fixture;
        std::vector<std::string> mesh_names;
    };
    for (const Release& release : {Release{"fsdp1-torch2.1", {}}, Release{"fsdp1-torch2.3", {"fsdp"}},
                                   Release{"fsdp1-torch2.6", {"fsdp"}}, Release{"fsdp2-torch2.6", {"fsdp"}},
                                   Release{"fsdp1-llama-4ranks", {"fsdp"}}, Release{"fsdp-qwen3-4ranks", {"fsdp"}}}) {
        CAPTURE(release.fixture);
        const torch::StateDict dict = golden(release.fixture, 4, 2);
        CHECK(dict.meshes == std::vector<Mesh>{{{4}, release.mesh_names, {0, 1, 2, 3}}});
        for (const SourceTensor& tensor : dict.tensors) {
            CHECK(tensor.dtype == DType::bf16);
            CHECK(tensor.shape.has_value());
            CHECK(tensor.shards.at(0).spec->placements == std::vector<Placement>{kShard0});
        }
    }
}

TEST_CASE("HSDP replicates along one mesh dimension and shards along the other") {
    const torch::StateDict dict = golden("hsdp-qwen2-2x2", 4, 3);
    CHECK(dict.meshes == std::vector<Mesh>{{{2, 2}, {"ddp", "fsdp"}, {0, 1, 2, 3}}});
    for (const SourceTensor& tensor : dict.tensors) {
        CHECK(tensor.shards.at(0).spec->placements == std::vector<Placement>{kReplicate, kShard0});
    }
}

TEST_CASE("a single rank saves plain tensors with attributes") {
    const torch::StateDict dict = golden("fsdp1-qwen2-1rank", 1, 0);
    CHECK(dict.meshes.empty());
    CHECK(std::ranges::none_of(dict.tensors, [](const SourceTensor& tensor) { return tensor.shape.has_value(); }));
}

TEST_CASE("a shard past the end of a tensor is empty") {
    const SourceTensor last = find(golden("fsdp-qwen3-7ranks-uneven", 7, 6), "model.layers.0.self_attn.k_norm.weight");
    CHECK(last.shards.at(0).spec->shape.numel() == 0);
}

TEST_CASE("a file that was renamed to another rank is refused") {
    const std::string path =
        std::string(UNSHARD_SOURCE_DIR) + "/tests/golden/fsdp1-torch2.6/ckpt/model_world_size_4_rank_2.pt";
    CHECK_THROWS_WITH(torch::read_state_dict(InputFile(path), {1, "", {}}),
                      path +
                          ": 'model.embed_tokens.weight': it is the shard of mesh coordinate (2), the file's name says "
                          "rank 1, which is at (1): rank files were swapped or copied: give each the name it was saved "
                          "under");
}
