#include "model/quantised.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

const nlohmann::json kQuantised = {{"quantization_config", {{"quant_method", "fp8"}}}};

Plan plan_of(const std::vector<std::string>& names, const std::vector<std::string>& dropped = {}) {
    Plan plan;
    for (const std::string& name : names) plan.tensors.push_back({name, DType::f32, {2}, {2}, {}, {}, true});
    for (const std::string& name : dropped) plan.dropped.push_back({name, "[select] drop"});
    return plan;
}

std::string error_for(const Plan& plan, const std::string& writer = "safetensors", const std::string& dtype = "keep",
                      const nlohmann::json& config = kQuantised) {
    Pipeline::Output output;
    output.writer = writer;
    output.dtype = dtype;
    return error_of([&] { check_quantised(find_quantised(plan), plan, config, {output}); });
}

}  // namespace

TEST_CASE("what stands beside a quantised weight is known by its name and its weight's") {
    const QuantisedWeights found = find_quantised(
        plan_of({"a.weight", "a.weight_scale_inv", "b.weight", "b.SCB", "c.qweight", "c.scales", "c.qzeros", "d_blocks",
                 "d_scales", "e.weight", "e.weight.absmax", "norm.weight", "attn.scale", "g.scales"}));
    CHECK(found.companions == std::map<std::string, std::string>{{"a.weight_scale_inv", "a.weight"},
                                                                 {"b.SCB", "b.weight"},
                                                                 {"c.scales", "c.weight"},
                                                                 {"c.qzeros", "c.weight"},
                                                                 {"d_scales", "d"},
                                                                 {"e.weight.absmax", "e.weight"}});
    CHECK(found.packed == std::map<std::string, std::string>{{"c.qweight", "c.weight"}, {"d_blocks", "d"}});
}

TEST_CASE("a quantised model is copied as it is, neither cast nor made a GGUF file") {
    const Plan plan = plan_of({"a.weight", "a.weight_scale_inv"});
    check_quantised(find_quantised(plan), plan, kQuantised, {Pipeline::Output{}});
    CHECK(error_for(plan, "safetensors", "bf16") ==
          "the weights are quantised (there are 'a.weight_scale_inv'): --dtype bf16 would write their unscaled values: "
          "leave it out to copy them as they are");
    CHECK(
        error_for(plan, "gguf", "auto") ==
        "the weights are quantised (there are 'a.weight_scale_inv'): GGUF needs the weights that they were made from: "
        "convert the model as it was before it was quantised");
}

TEST_CASE("scales without their weight, or a weight without its scales, are refused") {
    CHECK(
        error_for(plan_of({"a.weight"}, {"a.weight_scale_inv"})) ==
        "'a.weight_scale_inv' is left out, but 'a.weight' is written: quantised weights and their scales mean nothing "
        "without each other: leave out both or neither");
    CHECK(error_for(plan_of({"a.weight_scale_inv"}, {"a.weight"})).starts_with("'a.weight' is left out"));
    const Plan neither = plan_of({"w"}, {"a.weight", "a.weight_scale_inv"});
    check_quantised(find_quantised(neither), neither, kQuantised, {Pipeline::Output{}});
}

TEST_CASE("quantised weights need a config.json that says so") {
    const Plan plan = plan_of({"a.weight", "a.weight_scale_inv"});
    CHECK(error_for(plan, "safetensors", "keep", {{"architectures", {"X"}}})
              .starts_with("the weights are quantised (there are 'a.weight_scale_inv'), but config.json has no "
                           "'quantization_config'"));
    check_quantised(find_quantised(plan), plan, nullptr, {Pipeline::Output{}});
}
