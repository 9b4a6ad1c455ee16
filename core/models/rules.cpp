#include "models/rules.hpp"

#include "models/whole_tensor.hpp"

#include <algorithm>

namespace unshard {
namespace {

bool starts_with_any(const std::string& name, const std::vector<std::string>& prefixes) {
    return std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& p) { return name.starts_with(p); });
}

std::optional<NameMatch> match_rules_name(const ModelRules& rules, std::string_view name) {
    for (const TensorRule& rule : rules.tensors) {
        if (auto at = rule.name.match(name)) return NameMatch{&rule, nullptr, std::move(*at), {}, {}};
    }
    for (const FusedRule& rule : rules.fused) {
        if (auto at = rule.name.match(name)) return NameMatch{nullptr, &rule, std::move(*at), {}, {}};
    }
    return std::nullopt;
}

/// Whether a name, without the prefixes, begins as `extra_layers` says.
bool begins_extra_layer(const NamePattern& extra_layers, const Values& values, std::string_view name) {
    const std::size_t begin = extra_layers.text().find('{');
    const std::size_t end = name.find('.', std::min(begin, name.size()));
    if (end == std::string_view::npos) return false;
    const auto at = extra_layers.match(name.substr(0, end + 1));
    return at && at->front().second >= count_of(at->front().first, values);
}

}  // namespace

std::optional<NameMatch> match_name(const ModelRules& rules, const std::string& name) {
    if (starts_with_any(name, rules.outside)) return NameMatch{};
    for (const auto& [prefix, rules_prefix] : rules.prefixes) {
        if (!name.starts_with(prefix)) continue;
        auto match = match_rules_name(rules, rules_prefix + name.substr(prefix.size()));
        if (!match) continue;
        match->prefix = prefix;
        match->rules_prefix = rules_prefix;
        return match;
    }
    return match_rules_name(rules, name);
}

bool is_buffer(const ModelRules& rules, std::string_view name) {
    return std::any_of(rules.buffers.begin(), rules.buffers.end(),
                       [&](const std::string& ending) { return name == ending || name.ends_with("." + ending); });
}

bool is_of_extra_layer(const ModelRules& rules, const Values& values, std::string_view name) {
    if (!rules.extra_layers) return false;
    for (const auto& [prefix, rules_prefix] : rules.prefixes) {
        if (name.starts_with(prefix) &&
            begins_extra_layer(*rules.extra_layers, values, rules_prefix + std::string(name.substr(prefix.size())))) {
            return true;
        }
    }
    return begins_extra_layer(*rules.extra_layers, values, name);
}

std::string name_beside(const NameMatch& match, const NamePattern& other) {
    std::string name = other.fill(match.at);
    if (!name.starts_with(match.rules_prefix)) return name;
    return match.prefix + name.substr(match.rules_prefix.size());
}

}  // namespace unshard
