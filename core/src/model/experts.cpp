// The forms that a model's experts can have are data of configs/models: `alternatives` without {expert}. Here the form
// is found; separate.cpp and stack.cpp change the copies.

#include "model/experts.hpp"

#include "unshard/tools/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <string>

namespace unshard {
namespace {

bool can_stack(const ModelRules& rules) {
    return std::any_of(rules.fused.begin(), rules.fused.end(), [](const FusedRule& rule) { return rule.is_stacked; });
}

}  // namespace

Plan with_experts(Plan plan, std::string_view form, const nlohmann::json& config, const KnownModel& known) {
    if (form == "auto" || form == "keep") return plan;
    const auto fail = [&](const std::string& why) {
        throw Error(fmt::format("experts = '{}': {}: with 'keep' they are written as they are", form, why));
    };
    if (!config.is_object()) fail("there is no config.json to say which model this is (pass --assets DIR)");
    if (known.directories.empty()) fail("configs/models is not installed");
    const std::optional<ModelRules>& rules = known.rules;
    if (!rules) {
        fail(fmt::format("no file in {} is for the architectures {} of config.json", fmt::join(known.directories, ", "),
                         config.value("architectures", nlohmann::json()).dump()));
    }
    if (!can_stack(*rules)) fail(rules->file + " has no 'alternatives' that stack the tensors of an {expert}");
    const Values values = config_values(*rules, config);
    return form == "stacked" ? stack_experts(std::move(plan), *rules, values)
                             : separate_experts(std::move(plan), *rules, values);
}

}  // namespace unshard
