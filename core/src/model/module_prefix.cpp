#include "model/module_prefix.hpp"

#include "models/rules.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {
namespace {

constexpr int kMostPrefixParts = 4;

bool leads(const std::string& prefix, const std::string& name) {
    return name.size() > prefix.size() && name.starts_with(prefix);
}

}  // namespace

std::string module_prefix(const ModelRules& rules, const Values& values, const std::vector<NamedShape>& shapes) {
    if (shapes.empty()) return {};
    const std::string& first = shapes.front().name;
    std::size_t end = 0;
    for (int parts = 0; parts < kMostPrefixParts && (end = first.find('.', end)) != std::string::npos; ++parts) {
        const std::string prefix = first.substr(0, ++end);
        std::vector<NamedShape> without;
        for (const NamedShape& s : shapes) {
            without.push_back({leads(prefix, s.name) ? s.name.substr(prefix.size()) : s.name, s.shape});
        }
        if (check_completeness(rules, values, without).missing.empty()) return prefix;
    }
    return {};
}

std::optional<std::string> take_off_module_prefix(CheckpointIndex& index, const KnownModel& known,
                                                  const nlohmann::json& config) {
    if (!index.is_training_state || !known.rules || !config.is_object()) return std::nullopt;
    const ModelRules& rules = *known.rules;
    const auto is_of_class = [&](const SourceTensor& tensor) { return match_name(rules, tensor.name).has_value(); };
    if (std::ranges::any_of(index.tensors, is_of_class)) return std::nullopt;
    std::vector<NamedShape> names;
    for (const SourceTensor& tensor : index.tensors) names.push_back({tensor.name, {}});
    const std::string prefix = module_prefix(rules, config_values(rules, config), names);
    if (prefix.empty()) return std::nullopt;
    std::size_t count = 0;
    for (SourceTensor& tensor : index.tensors) {
        if (!leads(prefix, tensor.name)) continue;
        tensor.name.erase(0, prefix.size());
        ++count;
    }
    return fmt::format("'{}' was taken off {} of {} names", prefix, count, index.tensors.size());
}

}  // namespace unshard
