// One tensor for all experts of a layer becomes one for each, and its rows those of the parts (gate, up) of an expert.

#include "geometry/parts.hpp"
#include "model/experts.hpp"
#include "models/completeness.hpp"
#include "models/whole_tensor.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <vector>

namespace unshard {
namespace {

std::vector<PlannedTensor> separated(const PlannedTensor& whole, const NameMatch& match, const ModelRules& rules,
                                     const Values& values) {
    const Dims expected = whole_tensor(rules, *match.fused, values, match.at).shape;
    if (!(whole.shape == expected)) {
        throw Error(
            fmt::format("its shape is {}, config.json makes it {}", to_string(whole.shape), to_string(expected)));
    }
    const std::size_t parts_of_expert = match.fused->parts.size();
    const std::vector<PlannedTensor> experts = match.fused->is_stacked ? unstack(whole) : std::vector{whole};
    std::vector<PlannedTensor> parts;
    std::uint64_t row = 0;
    for_each_part(rules, match, values, [&](const TensorRule& rule, const NameMatch& where) {
        const PlannedTensor& expert = experts[parts.size() / parts_of_expert];
        if (parts.size() % parts_of_expert == 0) row = 0;
        PlannedTensor part = expert;
        if (parts_of_expert > 1) {
            const std::uint64_t rows = whole_tensor(rule, values, where.at).shape[0];
            part = rows_of(expert, row, rows);
            row += rows;
        }
        part.name = name_beside(where, rule.name);
        parts.push_back(std::move(part));
    });
    return parts;
}

}  // namespace

Plan separate_experts(Plan plan, const ModelRules& rules, const Values& values) {
    std::vector<PlannedTensor> tensors;
    for (PlannedTensor& tensor : plan.tensors) {
        const std::optional<NameMatch> match = match_name(rules, tensor.name);
        if (!match || !match->fused || !match->fused->is_alternative) {
            tensors.push_back(std::move(tensor));
            continue;
        }
        try {
            for (PlannedTensor& part : separated(tensor, *match, rules, values)) tensors.push_back(std::move(part));
        } catch (const Error& e) {
            throw Error(fmt::format("'{}': its experts cannot be separated: {}", tensor.name, e.what()));
        }
    }
    plan.tensors = std::move(tensors);
    return plan;
}

}  // namespace unshard
