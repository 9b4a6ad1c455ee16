#include "tensor_map.hpp"

#include "support/catch.hpp"
#include "tiny_model.hpp"

#include <algorithm>

using namespace unshard;
using namespace unshard::gguf;
using namespace unshard::test;

namespace {

using Tensors = std::vector<std::pair<std::string, Dims>>;

TensorMap map_of(const Tensors& more, int experts = 0, const Tensors& base = kTinyTensors) {
    const Assets assets;
    assets.write("tiny.toml", std::string(kTinyRules) + std::string(kTinyGguf));
    const FoundModel model = find_model(request_for(tiny_config(experts), {assets.path()}));
    Tensors all = base;
    all.insert(all.end(), more.begin(), more.end());
    return map_tensors(planned(all), model, config_values(model.rules, tiny_config(experts)));
}

MappedTensor tensor(const TensorMap& map, const std::string& name) {
    const auto found =
        std::find_if(map.tensors.begin(), map.tensors.end(), [&](const auto& t) { return t.info.name == name; });
    REQUIRE(found != map.tensors.end());
    return *found;
}

std::vector<std::string> names_of(const TensorMap& map) {
    std::vector<std::string> names;
    for (const MappedTensor& t : map.tensors) names.push_back(t.info.name);
    return names;
}

MappedTensor of_one_part(const std::string& name, Dims shape, TensorPart part) {
    MappedTensor mapped;
    mapped.info = {name, shape, {}};
    mapped.parts.push_back(std::move(part));
    return mapped;
}

}  // namespace

TEST_CASE("a tensor keeps its suffix, and tensors come in the order of their names in the checkpoint") {
    CHECK(names_of(map_of({})) == std::vector<std::string>{"output.weight", "token_embd.weight",
                                                           "blk.0.attn_norm.weight", "blk.0.attn_q.bias",
                                                           "blk.0.attn_q.weight"});
}

TEST_CASE("stacked experts come behind the last name of their layer's, one by one or in one tensor") {
    Tensors experts;
    for (int e = 0; e < 11; ++e) {
        for (const char* kind : {"up", "gate"}) {
            experts.emplace_back("model.layers.0.experts." + std::to_string(e) + "." + kind, Dims{2, 8});
        }
    }
    const std::vector<std::string> expected = {
        "output.weight",          "token_embd.weight", "blk.0.ffn_gate_exps.weight", "blk.0.ffn_up_exps.weight",
        "blk.0.attn_norm.weight", "blk.0.attn_q.bias", "blk.0.attn_q.weight"};
    CHECK(names_of(map_of(experts, 11)) == expected);
    CHECK(names_of(map_of({{"model.layers.0.experts.all", Dims{11, 4, 8}}}, 11)) == expected);
}

TEST_CASE("a permutation takes the rows of each head from halves to pairs") {
    const TensorMap map = map_of({});
    CHECK(tensor(map, "blk.0.attn_q.weight") ==
          of_one_part("blk.0.attn_q.weight", Dims{8, 8},
                      {1, Dims{2, 2, 2, 8}, Box::whole(Dims{2, 2, 2, 8}), {0, 2, 1, 3}, 0, 0}));
    CHECK(tensor(map, "blk.0.attn_q.bias") ==
          of_one_part("blk.0.attn_q.bias", Dims{8}, {2, Dims{2, 2, 2}, Box::whole(Dims{2, 2, 2}), {0, 2, 1}, 0, 0}));
}

TEST_CASE("a constant is added, and a transposed tensor has its shape turned round") {
    const TensorMap map = map_of({{"model.layers.0.conv.weight", Dims{8, 3}}});
    CHECK(tensor(map, "blk.0.attn_norm.weight").parts.front().add == 1);
    CHECK(tensor(map, "blk.0.ffn_up.weight") ==
          of_one_part("blk.0.ffn_up.weight", Dims{3, 8}, {4, Dims{8, 3}, Box::whole(Dims{8, 3}), {1, 0}, 0, 0}));
}

TEST_CASE("experts on their own are stacked by their numbers") {
    Tensors experts;
    for (const char* e : {"2", "0", "1"}) {
        for (const char* kind : {"up", "gate"}) {
            experts.emplace_back("model.layers.0.experts." + std::string(e) + "." + kind, Dims{2, 8});
        }
    }
    const MappedTensor up = tensor(map_of(experts, 3), "blk.0.ffn_up_exps.weight");
    CHECK(up.info.shape == Dims{3, 2, 8});
    std::vector<std::pair<std::uint32_t, std::uint64_t>> places;
    for (const TensorPart& part : up.parts) places.emplace_back(part.tensor, part.first);
    CHECK(places == std::vector<std::pair<std::uint32_t, std::uint64_t>>{{4, 32}, {6, 0}, {8, 16}});
}

TEST_CASE("experts in one tensor are parts of it") {
    const TensorMap map = map_of({{"model.layers.0.experts.all", Dims{3, 4, 8}}}, 3);
    CHECK(tensor(map, "blk.0.ffn_gate_exps.weight") ==
          of_one_part("blk.0.ffn_gate_exps.weight", Dims{3, 2, 8},
                      {4, Dims{3, 4, 8}, {Dims{0, 0, 0}, Dims{3, 2, 8}}, {}, 0, 0}));
    CHECK(tensor(map, "blk.0.ffn_up_exps.weight").parts ==
          std::vector<TensorPart>{{4, Dims{3, 4, 8}, {Dims{0, 2, 0}, Dims{3, 2, 8}}, {}, 0, 0}});
}

TEST_CASE("one tensor becomes several through a view") {
    const TensorMap map = map_of({{"model.layers.0.both", Dims{16, 3}}});
    CHECK(tensor(map, "blk.0.even.weight") ==
          of_one_part("blk.0.even.weight", Dims{3, 8},
                      {4, Dims{8, 2, 3}, {Dims{0, 0, 0}, Dims{8, 1, 3}}, {1, 2, 0}, 0, 0}));
    CHECK(tensor(map, "blk.0.odd.weight") ==
          of_one_part("blk.0.odd.weight", Dims{8, 3}, {4, Dims{8, 2, 3}, {Dims{0, 1, 0}, Dims{8, 1, 3}}, {}, 0, 0}));
}

TEST_CASE("what GGUF has no place for is dropped and said so") {
    const TensorMap map = map_of({{"model.layers.0.rotary_emb.inv_freq", Dims{4}},
                                  {"model.layers.1.anything.weight", Dims{4}},
                                  {"vision.patch.weight", Dims{4}}});
    CHECK(map.dropped == std::vector<Dropped>{{"model.layers.0.rotary_emb.inv_freq", "computed from the configuration"},
                                              {"model.layers.1.anything.weight",
                                               "a layer of multi-token prediction, which GGUF leaves out"},
                                              {"vision.patch.weight", "not part of the language model"}});
}

TEST_CASE("an output that llama.cpp needs is a copy of the embedding") {
    const TensorMap map = map_of({});
    CHECK(tensor(map, "output.weight").parts == tensor(map, "token_embd.weight").parts);
}

TEST_CASE("tensors that are missing, unknown or of a wrong shape are named together") {
    const Tensors broken = {
        {"model.embed.weight", Dims{4, 8}}, {"model.layers.0.q.weight", Dims{8, 8}}, {"model.other", Dims{1}}};
    CHECK_THROWS_WITH(
        map_of({}, 0, broken),
        Catch::Matchers::EndsWith("tiny.toml: the tensors are not those of this model: model.other: not a tensor "
                                  "of this model; model.layers.0.q.bias: missing; model.layers.0.norm.weight: missing; "
                                  "model.embed.weight: its shape is (4, 8), config.json makes it (5, 8)"));
}

TEST_CASE("a quantised checkpoint is refused") {
    CHECK_THROWS_WITH(
        map_of({{"model.layers.0.q.weight_scale_inv", Dims{1}}}),
        "model.layers.0.q.weight_scale_inv: the checkpoint is quantised: GGUF needs the weights it was made from");
}
