#include "models/rules.hpp"

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

std::string name_beside(const NameMatch& match, const NamePattern& other) {
    std::string name = other.fill(match.at);
    if (!name.starts_with(match.rules_prefix)) return name;
    return match.prefix + name.substr(match.rules_prefix.size());
}

}  // namespace unshard
