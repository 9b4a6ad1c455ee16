// The files in configs/models against models as transformers itself makes them (tests/support/make_model_shapes.py).

#include "models/completeness.hpp"
#include "rules_support.hpp"
#include "support/catch.hpp"
#include "unshard/json_file.hpp"

#include <algorithm>
#include <set>

using namespace unshard;
using namespace unshard::test;

namespace {

const nlohmann::json& transformers_models() {
    static const nlohmann::json kModels =
        read_json(std::string(UNSHARD_SOURCE_DIR) + "/tests/unit/models/transformers_models.json");
    return kModels;
}

std::vector<NamedShape> named_shapes(const nlohmann::json& shapes) {
    std::vector<NamedShape> result;
    for (const auto& [name, shape] : shapes.items()) {
        result.push_back({name, Dims(shape.get<std::vector<std::uint64_t>>())});
    }
    return result;
}

}  // namespace

TEST_CASE("every bundled rules file is for the architectures that it should be") {
    std::set<std::string> known;
    for (const ModelRules& rules : load_rules_directory(bundled_models())) {
        known.insert(rules.architectures.begin(), rules.architectures.end());
    }
    CHECK(known == std::set<std::string>{"LlamaForCausalLM", "LLaMAForCausalLM", "MistralForCausalLM",
                                         "Qwen2ForCausalLM", "Qwen3ForCausalLM", "Qwen2MoeForCausalLM",
                                         "Qwen3MoeForCausalLM", "MixtralForCausalLM", "Gemma2ForCausalLM",
                                         "Gemma3ForCausalLM", "Gemma3ForConditionalGeneration", "Phi3ForCausalLM"});
}

TEST_CASE("models that transformers makes are complete, in memory and on disk") {
    const std::vector<ModelRules> all = load_rules_directory(bundled_models());
    for (const auto& [name, model] : transformers_models().items()) {
        const ModelRules* rules = find_rules(all, model["config"]);
        REQUIRE(rules);
        const Values values = config_values(*rules, model["config"]);
        for (const char* form : {"memory", "disk"}) {
            INFO(name << ", " << form);
            CHECK(check_completeness(*rules, values, named_shapes(model[form])) == Completeness{});
        }
    }
}

TEST_CASE("no tensor of these models can go missing or change its shape unseen") {
    const std::vector<ModelRules> all = load_rules_directory(bundled_models());
    for (const auto& [name, model] : transformers_models().items()) {
        const ModelRules& rules = *find_rules(all, model["config"]);
        const Values values = config_values(rules, model["config"]);
        const bool is_tied = values.numbers.at("tied") != 0;
        std::vector<NamedShape> tensors = named_shapes(model["disk"]);
        for (std::size_t i = 0; i < tensors.size(); ++i) {
            INFO(name << ", " << tensors[i].name);
            const std::optional<NameMatch> match = match_name(rules, tensors[i].name);
            if (match->is_outside()) continue;
            std::vector<NamedShape> fewer = tensors;
            fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(i));
            const std::vector<std::string> missing{match->tensor->name.fill(match->at)};
            if (!is_tied || missing[0] != "lm_head.weight")
                CHECK(check_completeness(rules, values, fewer) == Completeness{missing, {}, {}});
            std::vector<NamedShape> larger = tensors;
            larger[i].shape[0] += 1;
            CHECK(check_completeness(rules, values, larger) ==
                  Completeness{{}, {}, {{tensors[i].name, larger[i].shape, tensors[i].shape}}});
        }
    }
}

TEST_CASE("a config.json of an unknown architecture, or of none, has no rules") {
    const std::vector<ModelRules> all = load_rules_directory(bundled_models());
    CHECK(find_rules(all, {{"architectures", {"ToyModel", 3}}}) == nullptr);
    CHECK(find_rules(all, {{"architectures", nullptr}}) == nullptr);
    CHECK(find_rules(all, nlohmann::json::object()) == nullptr);
    CHECK(find_rules(all, nlohmann::json()) == nullptr);
}
