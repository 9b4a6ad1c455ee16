#include "models/whole_tensor.hpp"

#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {
namespace {

/// More layers or experts than any model has: the number is damaged, and loops run to it.
constexpr std::int64_t kLargestCount = 1 << 16;

std::uint64_t size_of_dim(const Expression& expression, const Values& values, const Placeholders& at) {
    const std::int64_t size = expression.value(values, at);
    if (size < 0) throw Error(fmt::format("'{}' is {}: it must not be negative", expression.text(), size));
    return static_cast<std::uint64_t>(size);
}

bool holds(const TensorRule& rule, const Values& values, const Placeholders& at) {
    return !rule.when || rule.when->value(values, at) != 0;
}

}  // namespace

std::uint64_t count_of(const std::string& placeholder, const Values& values) {
    const auto found = values.numbers.find(placeholder + "s");
    if (found == values.numbers.end()) throw Error(fmt::format("'{}s' has no value", placeholder));
    if (found->second < 0 || found->second > kLargestCount) {
        throw Error(
            fmt::format("config.json: {} {}s: at most {} are sensible", found->second, placeholder, kLargestCount));
    }
    return static_cast<std::uint64_t>(found->second);
}

bool is_in_model(const ModelRules& rules, const NameMatch& match, const Values& values) {
    for (const auto& [placeholder, number] : match.at) {
        if (number >= count_of(placeholder, values)) return false;
    }
    if (match.tensor) return holds(*match.tensor, values, match.at);
    if (!match.fused) return true;
    Placeholders at = match.at;
    if (match.fused->is_stacked) at.emplace_back("expert", 0);
    const auto& parts = match.fused->parts;
    return std::all_of(parts.begin(), parts.end(),
                       [&](std::size_t part) { return holds(rules.tensors[part], values, at); });
}

WholeTensor whole_tensor(const TensorRule& rule, const Values& values, const Placeholders& at) {
    WholeTensor whole;
    whole.split = rule.split;
    whole.split_dim = rule.split == Split::row ? 1 : 0;
    const std::uint64_t unit = rule.unit ? size_of_dim(*rule.unit, values, at) : 0;
    if (rule.shape.empty()) whole.sections.push_back({1, 0});
    for (std::size_t dim = 0; dim < rule.shape.size(); ++dim) {
        std::uint64_t size = 0;
        for (const Expression& section : rule.shape[dim]) {
            const std::uint64_t rows = size_of_dim(section, values, at);
            if (dim == whole.split_dim) whole.sections.push_back({rows, unit});
            size = checked_add(size, rows);
        }
        whole.shape.push_back(size);
    }
    return whole;
}

WholeTensor whole_tensor(const ModelRules& rules, const FusedRule& rule, const Values& values, const Placeholders& at) {
    Placeholders at_part = at;
    if (rule.is_stacked) at_part.emplace_back("expert", 0);
    WholeTensor whole = whole_tensor(rules.tensors[rule.parts.front()], values, at_part);
    for (std::size_t i = 1; i < rule.parts.size(); ++i) {
        const WholeTensor part = whole_tensor(rules.tensors[rule.parts[i]], values, at_part);
        Dims same_but_first = part.shape;
        same_but_first[0] = whole.shape[0];
        if (!(same_but_first == whole.shape)) {
            throw Error(fmt::format("'{}': its parts are {} and {}: they do not fit behind each other",
                                    rule.name.fill(at), to_string(whole.shape), to_string(part.shape)));
        }
        whole.shape[0] = checked_add(whole.shape[0], part.shape[0]);
        whole.sections.insert(whole.sections.end(), part.sections.begin(), part.sections.end());
    }
    if (rule.is_grouped) whole.split = Split::grouped;
    if (!rule.is_stacked) return whole;
    Dims stacked{count_of("expert", values)};
    for (const std::uint64_t size : whole.shape) stacked.push_back(size);
    whole.shape = stacked;
    whole.split_dim += 1;
    whole.is_stacked = true;
    return whole;
}

bool has_extra_rows(const TensorRule& rule, const Dims& found, const Dims& expected) {
    return rule.split == Split::vocabulary && found.rank() == expected.rank() && found[0] > expected[0] &&
           std::equal(found.begin() + 1, found.end(), expected.begin() + 1);
}

}  // namespace unshard
