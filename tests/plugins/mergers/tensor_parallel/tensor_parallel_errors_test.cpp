#include "core/models/rules_support.hpp"
#include "parallel_model.hpp"
#include "support/catch.hpp"
#include "tensor_parallel/plan.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

const std::string kQ = "model.layers.0.self_attn.q_proj.weight";

std::string failure(const CheckpointIndex& index, const nlohmann::json& config = small_config(),
                    const std::string& mesh = "tp") {
    ModelRules rules = bundled_rules("llama");
    rules.file = "llama.toml";
    return message_of(
        [&] { plan_tensor_parallel(index, rules, values_of(rules, config), RankMesh(mesh, index.ranks)); });
}

/// One tensor, with a part of this shape on each of these ranks.
CheckpointIndex index_of(std::uint32_t ranks, const std::string& name, Dims shape,
                         const std::vector<std::uint32_t>& on) {
    IndexBuilder builder(ranks);
    builder.tensor(name, std::nullopt);
    for (const std::uint32_t rank : on) builder.plain(rank, shape);
    return builder.index();
}

}  // namespace

TEST_CASE("tensors that no rule matches are named") {
    IndexBuilder builder(1);
    for (const char* name : {"model.norm.weight", "model.extra", "model.layers.0.extra"}) {
        builder.tensor(name, std::nullopt).plain(0, {6});
    }
    CHECK(
        failure(builder.index()) ==
        "'model.extra', 'model.layers.0.extra': no rule in llama.toml has such a name: add it, or pass other --rules");
}

TEST_CASE("many tensors without a rule are named up to the twentieth") {
    IndexBuilder builder(1);
    for (int i = 0; i < 25; ++i) builder.tensor("x" + std::to_string(i), std::nullopt).plain(0, {6});
    const std::string message = failure(builder.index());
    CHECK(message.starts_with("'x0', 'x1', "));
    CHECK(message.ends_with("'x19' and 5 more: no rule in llama.toml has such a name: add it, or pass other --rules"));
}

TEST_CASE("a tensor that the model of config.json does not have is named") {
    CHECK(failure(index_of(1, "model.layers.1.self_attn.q_proj.weight", {8, 6}, {0})) ==
          "'model.layers.1.self_attn.q_proj.weight': a model of this config.json has no such tensor: it is another "
          "model's config.json");
    CHECK(failure(index_of(1, "model.layers.0.self_attn.q_proj.bias", {8}, {0})) ==
          "'model.layers.0.self_attn.q_proj.bias': a model of this config.json has no such tensor: it is another "
          "model's config.json");
}

TEST_CASE("a tensor that says how it was split needs no rules") {
    IndexBuilder builder(2);
    const std::uint32_t mesh = builder.mesh({2}, {0, 1});
    builder.tensor(kQ, Dims{8, 6});
    for (std::uint32_t r = 0; r < 2; ++r) builder.placed(r, {4, 6}, mesh, {{PlacementKind::shard, 0, 1}});
    CHECK(failure(builder.index()) ==
          "'" + kQ + "': rank 0 says how it was split, which needs no rules: use merger 'placement'");
}

TEST_CASE("parts of different sizes are refused") {
    IndexBuilder builder(2);
    builder.tensor(kQ, std::nullopt).plain(0, {5, 6}).plain(1, {3, 6});
    CHECK(failure(builder.index()) == "'" + kQ +
                                          "': rank 0 holds (5, 6), rank 1 holds (3, 6): tensor parallelism makes "
                                          "parts of one size");
}

TEST_CASE("a merged shape other than config.json's is refused") {
    CHECK(failure(index_of(2, kQ, {4, 7}, {0, 1})) ==
          "'" + kQ +
              "': a rank holds (4, 7), the whole is (8, 6) by llama.toml and config.json: they differ in more "
              "than what is split");
    CHECK(failure(index_of(2, kQ, {4}, {0, 1})) ==
          "'" + kQ +
              "': a rank holds (4), the whole is (8, 6) by llama.toml and config.json: they differ in more than "
              "what is split");
    CHECK(failure(index_of(2, kQ, {3, 6}, {0, 1})) ==
          "'" + kQ +
              "': a rank holds 3 of 8 rows of dimension 0; split 'column' over 2 ranks gives 4: the rules, "
              "config.json or the mesh are not this checkpoint's");
}

TEST_CASE("a rank that lacks a tensor is named") {
    const std::string cure =
        " does not have it: its file is damaged, or the mesh is another one (give [merge.options] mesh)";
    CHECK(failure(index_of(4, kQ, {2, 6}, {0, 1, 3})) == "'" + kQ + "': rank 2 of 4" + cure);
    CHECK(failure(index_of(4, "model.norm.weight", {6}, {2, 3})) == "'model.norm.weight': rank 0 of 4" + cure);
    CHECK(failure(index_of(4, "model.norm.weight", {6}, {2, 3}), small_config(), "pp=2,tp=2").empty());
    CHECK(failure(index_of(4, "model.norm.weight", {6}, {2, 3}), small_config(), "dp=2,tp=2") ==
          "'model.norm.weight': rank 0 of 4" + cure);
}

TEST_CASE("a rank that does not exist, or holds a tensor twice, is refused") {
    const std::string what = " of 2 holds it twice or does not exist";
    CHECK(failure(index_of(2, kQ, {4, 6}, {0, 0})) == "'" + kQ + "': rank 0" + what);
    CheckpointIndex index = index_of(2, kQ, {4, 6}, {0, 1});
    index.tensors[0].shards[1].rank = 7;
    CHECK(failure(index) == "'" + kQ + "': rank 7" + what);
    index.tensors[0].shards.clear();
    CHECK(failure(index) == "'" + kQ + "': has no shards");
}

TEST_CASE("experts that do not divide among the ranks are refused") {
    nlohmann::json config = small_config();
    config.update({{"num_experts", 6}, {"moe_intermediate_size", 4}});
    const ModelRules rules = bundled_rules("qwen3_moe");
    const Values values = values_of(rules, config);
    const auto message = [&](Dims shape, const std::string& mesh) {
        const CheckpointIndex index = index_of(4, "model.layers.0.mlp.experts.gate_up_proj", shape, {0, 1, 2, 3});
        return message_of([&] { plan_tensor_parallel(index, rules, values, RankMesh(mesh, 4)); });
    };
    CHECK(message({2, 8, 6}, "tp") ==
          "'model.layers.0.mlp.experts.gate_up_proj': a rank holds (2, 8, 6) of (6, 8, 6): 6 experts over 4 ranks of "
          "axis 'tp' do not give that (give [merge.options] mesh)");
    CHECK(message({3, 2, 6}, "tp=2,dp=2") ==
          "'model.layers.0.mlp.experts.gate_up_proj': a rank holds (3, 2, 6) of (6, 8, 6): 6 experts over 2 ranks of "
          "axis 'tp' do not give that (give [merge.options] mesh)");
    CHECK(message({3, 4, 6}, "ep=2,tp=2").empty());
}
