// One small model for each way of sharding.

#include "core/models/rules_support.hpp"
#include "parallel_model.hpp"
#include "support/catch.hpp"
#include "tensor_parallel/plan.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

const std::string kQ = "model.layers.0.self_attn.q_proj.weight";
const std::string kNorm = "model.norm.weight";
const std::string kExperts = "model.layers.0.mlp.experts.";

Plan plan_of(const ParallelModel& model, const std::string& rules_name, const nlohmann::json& config,
             const std::string& mesh = "tp") {
    const ModelRules rules = bundled_rules(rules_name);
    return plan_tensor_parallel(model.index(), rules, values_of(rules, config), RankMesh(mesh, model.index().ranks));
}

/// Two experts, hidden 3, 4 rows in each of gate and up.
nlohmann::json moe_config() {
    nlohmann::json config = small_config();
    config.update({{"hidden_size", 3}, {"num_experts", 2}, {"moe_intermediate_size", 4}});
    return config;
}

}  // namespace

TEST_CASE("phi3's own fused tensors come out whole, [q; k; v] and [gate; up]") {
    const std::string qkv = "model.layers.0.self_attn.qkv_proj.weight",
                      gate_up = "model.layers.0.mlp.gate_up_proj.weight";
    ParallelModel model(2);
    model.whole(qkv, {16, 6});
    model.source(qkv);
    model.part(0, {8, 6}, rows(qkv, 0, 4) + rows(qkv, 8, 2) + rows(qkv, 12, 2));
    model.part(1, {8, 6}, rows(qkv, 4, 4) + rows(qkv, 10, 2) + rows(qkv, 14, 2));
    model.whole(gate_up, {16, 6});
    model.source(gate_up);
    model.part(0, {8, 6}, rows(gate_up, 0, 4) + rows(gate_up, 8, 4));
    model.part(1, {8, 6}, rows(gate_up, 4, 4) + rows(gate_up, 12, 4));
    model.check(plan_of(model, "phi3", small_config()));
}

TEST_CASE("column biases are split, row biases replicated") {
    const std::string column = "model.layers.0.self_attn.k_proj.bias", row = "model.layers.0.self_attn.o_proj.bias";
    nlohmann::json config = small_config();
    config["attention_bias"] = true;
    ParallelModel model(4);
    model.whole(column, {4});
    model.source(column);
    for (std::uint32_t r = 0; r < 4; ++r) model.part(r, {2}, rows(column, r / 2 * 2, 2));
    model.whole(row, {6});
    model.replicated(row);
    model.check(plan_of(model, "llama", config));
}

TEST_CASE("a tensor that every rank holds whole is a replica whatever its rule says") {
    ParallelModel model(2);
    for (const std::string& name : {std::string("model.embed_tokens.weight"), kQ}) {
        model.whole(name, name == kQ ? Dims{8, 6} : Dims{10, 6});
        model.replicated(name);
    }
    const Plan plan = plan_of(model, "llama", small_config());
    model.check(plan);
    CHECK(plan.tensors[1].copies.size() == 1);
    CHECK(plan.tensors[1].replicas.size() == 1);
}

TEST_CASE("the number of padding rows that are cut off is reported") {
    const std::string name = "lm_head.weight";
    ParallelModel model(2);
    model.whole(name, {10, 6});
    model.source(name);
    model.part(0, {8, 6}, rows(name, 0, 8));
    model.part(1, {8, 6}, rows(name, 8, 2) + std::vector<Row>(6));
    const Plan plan = plan_of(model, "llama", small_config());
    model.check(plan);
    CHECK(plan.warnings ==
          std::vector<std::string>{
              "'lm_head.weight': 6 padding rows behind the 10 of config.json's vocabulary were cut off"});
}

TEST_CASE("on a mesh of data, pipeline and tensor parallelism each stage has its tensors, each replica all of them") {
    ParallelModel model(8);
    model.whole(kQ, {8, 6});
    model.source(kQ);
    for (const std::uint32_t r : {0U, 1U, 4U, 5U}) model.part(r, {4, 6}, rows(kQ, r % 2 * 4, 4));
    model.whole(kNorm, {6});
    model.source(kNorm);
    for (const std::uint32_t r : {2U, 3U, 6U, 7U}) model.part(r, {6}, rows(kNorm, 0, 6));
    const Plan plan = plan_of(model, "llama", small_config(), "dp=2,pp=2,tp=2");
    model.check(plan);
    CHECK(plan.tensors[0].replicas.size() == 2);
    CHECK(plan.tensors[1].replicas.size() == 3);
}

TEST_CASE("experts of their own are split like any weight, or distributed whole") {
    const std::string split = kExperts + "0.gate_proj.weight", distributed = kExperts + "1.gate_proj.weight";
    ParallelModel model(2);
    model.whole(split, {4, 3});
    model.source(split);
    for (std::uint32_t r = 0; r < 2; ++r) model.part(r, {2, 3}, rows(split, r * 2, 2));
    model.whole(distributed, {4, 3});
    model.source(distributed);
    model.part(1, {4, 3}, rows(distributed, 0, 4));
    model.check(plan_of(model, "qwen3_moe", moe_config()));
}

TEST_CASE("stacked experts are split inside: a share of gate and up each, and of down's columns") {
    const std::string gate_up = kExperts + "gate_up_proj", down = kExperts + "down_proj";
    ParallelModel model(2);
    model.whole(gate_up, {2, 8, 3});
    model.source(gate_up);
    for (std::uint32_t r = 0; r < 2; ++r) {
        std::vector<Row> held;
        for (const std::uint64_t block : {0U, 4U, 8U, 12U}) held = held + rows(gate_up, block + r * 2, 2);
        model.part(r, {2, 4, 3}, held);
    }
    model.whole(down, {2, 3, 4});
    model.source(down);
    for (std::uint32_t r = 0; r < 2; ++r) model.part(r, {2, 3, 2}, rows(down, 0, 6), r * 2);
    model.check(plan_of(model, "qwen3_moe", moe_config()));
}

TEST_CASE("stacked experts can be distributed over the tensor-parallel ranks") {
    const std::string gate_up = kExperts + "gate_up_proj";
    ParallelModel model(2);
    model.whole(gate_up, {2, 8, 3});
    model.source(gate_up);
    for (std::uint32_t r = 0; r < 2; ++r) model.part(r, {1, 8, 3}, rows(gate_up, r * 8, 8));
    model.check(plan_of(model, "qwen3_moe", moe_config()));
}

TEST_CASE("stacked experts can be distributed over one axis and split over another") {
    const std::string gate_up = kExperts + "gate_up_proj";
    ParallelModel model(4);
    model.whole(gate_up, {2, 8, 3});
    model.source(gate_up);
    for (std::uint32_t r = 0; r < 4; ++r) {
        const std::uint64_t expert = r / 2, half = r % 2;
        model.part(r, {1, 4, 3}, rows(gate_up, expert * 8 + half * 2, 2) + rows(gate_up, expert * 8 + 4 + half * 2, 2));
    }
    model.whole(kNorm, {3});
    model.replicated(kNorm);
    model.check(plan_of(model, "qwen3_moe", moe_config(), "ep=2,tp=2"));
}

TEST_CASE("the multimodal model keeps its names, and its image part is replicated") {
    const std::string fused = "model.language_model.layers.0.mlp.gate_up_proj.weight";
    const std::string gate = "model.language_model.layers.0.mlp.gate_proj.weight";
    const std::string up = "model.language_model.layers.0.mlp.up_proj.weight",
                      image = "model.vision_tower.embeddings.weight";
    ParallelModel model(2);
    model.whole(gate, {8, 6});
    model.whole(up, {8, 6});
    model.source(fused);
    for (std::uint32_t r = 0; r < 2; ++r) model.part(r, {8, 6}, rows(gate, r * 4, 4) + rows(up, r * 4, 4));
    model.whole(image, {5, 7, 2});
    model.replicated(image);
    model.check(plan_of(model, "gemma3",
                        {{"architectures", {"Gemma3ForConditionalGeneration"}}, {"text_config", small_config()}}));
}

TEST_CASE("a fused entry with one part renames it") {
    const ModelRules rules = rules_of(R"(
architectures = ["Toy"]
config.hidden = "hidden_size"
config.layers = "num_hidden_layers"
tensors = [{ name = "l.{layer}.o", shape = ["hidden", "hidden"], split = "row" }]
fused = [{ name = "decoder.{layer}.proj", parts = ["l.{layer}.o"] }]
)");
    ParallelModel model(2);
    model.whole("l.0.o", {6, 6});
    model.source("decoder.0.proj");
    for (std::uint32_t r = 0; r < 2; ++r) model.part(r, {6, 3}, rows("l.0.o", 0, 6), r * 3);
    const Values values = config_values(rules, small_config());
    model.check(plan_tensor_parallel(model.index(), rules, values, RankMesh("tp", 2)));
}

TEST_CASE("a scalar is a replica") {
    const ModelRules rules = rules_of(R"(
architectures = ["Toy"]
config.hidden = "hidden_size"
outside = ["image."]
tensors = [{ name = "scale", shape = [], split = "replicated" }]
)");
    for (const std::string name : {"scale", "image.scale"}) {
        ParallelModel model(2);
        model.whole(name, {});
        model.source(name);
        for (std::uint32_t r = 0; r < 2; ++r) model.part(r, {}, rows(name, 0, 1));
        const Values values = config_values(rules, small_config());
        model.check(plan_tensor_parallel(model.index(), rules, values, RankMesh("tp", 2)));
    }
}
