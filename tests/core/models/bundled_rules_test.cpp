// The files in configs/models against models as transformers itself makes them (tests/support/make_model_shapes.py).

#include "models/completeness.hpp"
#include "models/model_files.hpp"
#include "rules_support.hpp"
#include "support/catch.hpp"
#include "unshard/tools/json_file.hpp"

#include <utility>

using namespace unshard;
using namespace unshard::test;

namespace {

const nlohmann::json& transformers_models() {
    static const nlohmann::json kModels =
        read_json(std::string(UNSHARD_SOURCE_DIR) + "/tests/core/models/transformers_models.json");
    return kModels;
}

std::vector<NamedShape> named_shapes(const nlohmann::json& shapes) {
    std::vector<NamedShape> result;
    for (const auto& [name, shape] : shapes.items()) {
        result.push_back({name, Dims(shape.get<std::vector<std::uint64_t>>())});
    }
    return result;
}

std::optional<ModelRules> bundled_rules(const nlohmann::json& config) {
    static const ModelFiles kFiles({bundled_models()});
    return find_rules(kFiles, config);
}

}  // namespace

TEST_CASE("the rules that tensor parallelism needs are bundled, each for its architectures") {
    const std::vector<std::pair<std::string, std::string>> expected = {
        {"LlamaForCausalLM", "llama"},        {"MistralForCausalLM", "llama"},
        {"Qwen2ForCausalLM", "qwen2"},        {"Qwen3ForCausalLM", "qwen3"},
        {"Qwen2MoeForCausalLM", "qwen2_moe"}, {"Qwen3MoeForCausalLM", "qwen3_moe"},
        {"MixtralForCausalLM", "mixtral"},    {"Gemma2ForCausalLM", "gemma2"},
        {"Gemma3ForCausalLM", "gemma3"},      {"Gemma3ForConditionalGeneration", "gemma3"},
        {"Phi3ForCausalLM", "phi3"}};
    for (const auto& [architecture, file] : expected) {
        const std::optional<ModelRules> rules = bundled_rules({{"architectures", {architecture}}});
        REQUIRE(rules);
        CHECK(rules->file == bundled_models() + "/" + file + ".toml");
    }
}

TEST_CASE("models that transformers makes are complete, in memory and on disk") {
    for (const auto& [name, model] : transformers_models().items()) {
        const std::optional<ModelRules> rules = bundled_rules(model["config"]);
        REQUIRE(rules);
        const Values values = values_of(*rules, model["config"]);
        for (const char* form : {"memory", "disk"}) {
            INFO(name << ", " << form);
            CHECK(check_completeness(*rules, values, named_shapes(model[form])) == Completeness{});
        }
    }
}

TEST_CASE("no tensor of these models can go missing or change its shape unseen") {
    for (const auto& [model_name, model] : transformers_models().items()) {
        const ModelRules rules = *bundled_rules(model["config"]);
        const Values values = values_of(rules, model["config"]);
        const std::vector<NamedShape> tensors = named_shapes(model["disk"]);
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            const auto& [name, shape] = tensors[i];
            const std::optional<NameMatch> match = match_name(rules, name);
            const bool is_described = match && match->tensor;
            if (!is_described || (name.ends_with("lm_head.weight") && values.numbers.at("tied") != 0)) continue;
            INFO(model_name << ", " << name);
            std::vector<NamedShape> fewer = tensors, larger = tensors;
            fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
            CHECK(check_completeness(rules, values, fewer) ==
                  Completeness{{match->tensor->name.fill(match->at)}, {}, {}});
            larger[i].shape[0] += 1;
            CHECK(check_completeness(rules, values, larger) == Completeness{{}, {}, {{name, larger[i].shape, shape}}});
        }
    }
}

TEST_CASE("a config.json of an unknown architecture, or of none, has no rules") {
    CHECK_FALSE(bundled_rules({{"architectures", {"ToyModel", 3}}}));
    CHECK_FALSE(bundled_rules({{"architectures", nullptr}}));
    CHECK_FALSE(bundled_rules(nlohmann::json::object()));
    CHECK_FALSE(bundled_rules(nlohmann::json()));
}
