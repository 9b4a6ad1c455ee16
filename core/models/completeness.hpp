// Whether a model's tensors are all there: what is missing, unexpected or of a wrong shape.
#pragma once

#include "models/rules.hpp"
#include "models/whole_tensor.hpp"
#include "unshard/dims.hpp"

#include <functional>
#include <span>
#include <string>
#include <vector>

namespace unshard {

struct NamedShape {
    std::string name;
    Dims shape;
};

struct WrongShape {
    std::string name;
    Dims found;
    Dims expected;
    friend bool operator==(const WrongShape&, const WrongShape&) = default;
};

struct Completeness {
    std::vector<std::string> missing;     ///< in the rules' order, as the rules call them
    std::vector<std::string> unexpected;  ///< in the model's order, likewise the next
    std::vector<WrongShape> wrong_shape;
    friend bool operator==(const Completeness&, const Completeness&) = default;
};

/// Calls `use` for each tensor that a model of these sizes must have, in the rules' order. Throws Error when that is an
/// absurd number.
void for_each_tensor(const ModelRules& rules, const Values& values,
                     const std::function<void(const TensorRule&, const Placeholders&)>& use);

/// Calls `use(rule, where)` for each part that a fused or an alternative form stands for, in the order of their
/// elements: those of the first expert first.
template <class Use>
void for_each_part(const ModelRules& rules, const NameMatch& match, const Values& values, Use use) {
    NameMatch where = match;
    const std::uint64_t experts = match.fused->is_stacked ? count_of("expert", values) : 1;
    if (match.fused->is_stacked) where.at.emplace_back("expert", 0);
    for (std::uint64_t expert = 0; expert < experts; ++expert) {
        if (match.fused->is_stacked) where.at.back().second = expert;
        for (const std::size_t part : match.fused->parts) use(rules.tensors[part], where);
    }
}

/// The rules' names of what a name stands for: a tensor, or the parts of a fused or an alternative form.
std::vector<std::string> tensors_behind(const ModelRules& rules, const NameMatch& match, const Values& values);

/// Compares a model that is about to be written with the rules. An alternative form stands for all its parts; a tensor
/// in both forms is unexpected, and so is a fused one. Throws Error when the rules ask for an absurd number of tensors.
Completeness check_completeness(const ModelRules& rules, const Values& values, std::span<const NamedShape> model);

}  // namespace unshard
