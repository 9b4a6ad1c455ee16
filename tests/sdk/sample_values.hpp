// Values with every member set, each to something else.
#pragma once

#include "unshard/layout.hpp"
#include "unshard/request.hpp"

namespace unshard::test {

inline CheckpointIndex sample_index() {
    Shard stated;
    stated.file = 1;
    stated.offset = 64;
    stated.bytes = 4096;
    stated.first = 12;
    stated.rank = 3;
    stated.spec = ShardSpec{.shape = {2, 3}, .stride = {1, 2}, .origin = Dims{5, 0}};
    Shard placed = stated;
    placed.crc32 = 0x89abcdef;
    placed.spec = ShardSpec{.shape = {2, 3},
                            .stride = {1, 2},
                            .mesh = 1,
                            .placements = {{PlacementKind::replicate, 0, 1}, {PlacementKind::strided_shard, 1, 2}}};
    CheckpointIndex index;
    index.format = "toy, 4 ranks";
    index.ranks = 4;
    index.files = {{"rank_0.toy", 10},
                   {"rank_1.toy", 1ULL << 40, std::nullopt, {7, 8, -9, 10}},
                   {"a part", 99, Packed{Packed::Format::zstd, 1, 64, 33}}};
    index.meshes = {{{4}, {}, {0, 1, 2, 3}}, {{2, 2}, {"dp", "tp"}, {3, 2, 1, 0}}};
    index.tensors = {{"a.weight", DType::bf16, Dims{10, 3}, {stated, placed}},
                     {"b", DType::u8, std::nullopt, {}},
                     {"c", DType::u8, Dims{2, 34}, {}, Encoding{"q8_0", 32, 34}}};
    index.dropped = {{"optimizer", "not part of a model"}};
    index.warnings = {"one rank is older than the others"};
    index.metadata = {{"step", 186}, {"nested", {{"list", {1, 2.5, nullptr, "é"}}}}};
    return index;
}

inline Plan sample_plan() {
    const Copy one{1, 2, 3, {4, 1}, {{0, 5}, {6, 7}}};
    const Copy two{7, 6, 5, {1}, {{4}, {3}}};
    Plan plan;
    plan.tensors.push_back({"a.weight", DType::f8e4m3, {10, 3}, {5, 2, 3}, {one, two}, {two}, false, true, 4});
    plan.tensors.push_back({"scalar", DType::c64, {}, {}, {{}}, {}, true});
    plan.dropped = {{"rope.inv_freq", "the model computes it"}};
    plan.warnings = {"two replicas"};
    return plan;
}

inline Layout sample_layout() {
    Layout layout;
    layout.encodings = {encoding_of(DType::bf16), {"q8_0", 32, 34}};
    layout.files = {{"model-1.bin", 100}, {"", 1ULL << 50}};
    layout.literals = {{0, 0, std::string("\0\x01", 2)}, {1, 8, "{}"}};
    layout.placed.push_back({1, {2, 3, 4}, {{0, 1, 0}, {2, 1, 4}}, {2, 0, 1}, 1.5, 1, 4096, 1});
    layout.placed.push_back({});
    layout.assets = {{"/in/config.json", "config.json"}};
    layout.dropped = {{"b.bias", "the format has no place for it"}};
    layout.warnings = {"no tokenizer"};
    layout.left_behind = {"optimizer.pt", "runs/"};
    layout.tensors = 1;
    return layout;
}

inline Request sample_request() {
    return {"in/checkpoint",
            "out/hf",
            "in/huggingface",
            {{"dtype", "bf16"}, {"threads", true}},
            7,
            {{"hidden_size", 64}},
            {{"vocab_size", 512}},
            {{"tables", {{"my_writer", {{"depth", 3}}}}}}};
}

}  // namespace unshard::test
