// Parts become a stacked tensor by one more axis in front that counts experts; parts behind each other (gate, up)
// follow in the axis after it. Their views need not be their shapes, but must agree in all but the first axis.

#include "model/experts.hpp"
#include "models/whole_tensor.hpp"
#include "unshard/tools/checked.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace unshard {
namespace {

/// A stacked tensor to be, and the parts of it that were found: those of the first expert first.
struct Stack {
    const FusedRule* rule = nullptr;
    NameMatch match;                                ///< of one of its parts
    std::size_t first = 0;                          ///< where its first part stands in the plan
    std::vector<std::optional<std::size_t>> parts;  ///< into the plan's tensors
};

const FusedRule* alternative_with(const ModelRules& rules, std::size_t part) {
    const auto found = std::find_if(rules.fused.begin(), rules.fused.end(), [&](const FusedRule& rule) {
        return rule.is_alternative && contains(rule.parts, part);
    });
    return found == rules.fused.end() ? nullptr : &*found;
}

std::uint64_t expert_of(const NameMatch& match) {
    const auto found =
        std::find_if(match.at.begin(), match.at.end(), [](const auto& p) { return p.first == "expert"; });
    return found == match.at.end() ? 0 : found->second;
}

Dims with_leading(std::uint64_t value, const Dims& dims) {
    Dims result{value};
    for (const std::uint64_t d : dims) result.push_back(d);
    return result;
}

class Stacking {
public:
    Stacking(const Plan& plan, const ModelRules& rules, const Values& values)
        : plan_(plan), rules_(rules), values_(values) {}

    std::vector<PlannedTensor> run() {
        for (std::size_t i = 0; i < plan_.tensors.size(); ++i) sort_in(i);
        for (const auto& [name, stack] : stacks_) at_[stack.first] = made(name, stack);
        std::vector<PlannedTensor> tensors;
        for (std::size_t i = 0; i < plan_.tensors.size(); ++i) {
            const auto entry = at_.find(i);
            if (entry == at_.end()) tensors.push_back(plan_.tensors[i]);
            if (entry != at_.end() && entry->second) tensors.push_back(std::move(*entry->second));
        }
        return tensors;
    }

private:
    void sort_in(std::size_t number) {
        const std::string& name = plan_.tensors[number].name;
        const std::optional<NameMatch> match = match_name(rules_, name);
        if (!match || !match->tensor) return;
        const auto part = static_cast<std::size_t>(match->tensor - rules_.tensors.data());
        const FusedRule* rule = alternative_with(rules_, part);
        if (!rule) return;
        const std::uint64_t experts = rule->is_stacked ? count_of("expert", values_) : 1;
        const std::uint64_t expert = expert_of(*match);
        if (expert >= experts) {
            throw Error(fmt::format("'{}': config.json makes {} experts: they cannot be stacked", name, experts));
        }
        const auto [entry, is_new] = stacks_.try_emplace(name_beside(*match, rule->name));
        Stack& stack = entry->second;
        if (is_new) stack = {rule, *match, number, {}};
        if (is_new) stack.parts.resize(experts * rule->parts.size());
        const auto place = std::find(rule->parts.begin(), rule->parts.end(), part) - rule->parts.begin();
        stack.parts[expert * rule->parts.size() + static_cast<std::size_t>(place)] = number;
        at_.emplace(number, std::nullopt);
    }

    std::string name_of_part(const Stack& stack, std::size_t slot) const {
        NameMatch at = stack.match;
        const std::size_t parts = stack.rule->parts.size();
        for (auto& [placeholder, number] : at.at) {
            if (placeholder == "expert") number = slot / parts;
        }
        return name_beside(at, rules_.tensors[stack.rule->parts[slot % parts]].name);
    }

    void check_parts(const std::string& name, const Stack& stack) const {
        const auto is_missing = [](const std::optional<std::size_t>& part) { return !part; };
        const auto missing = std::find_if(stack.parts.begin(), stack.parts.end(), is_missing);
        if (missing != stack.parts.end()) {
            throw Error(fmt::format("'{}': {} of its {} parts are missing, '{}' among them: it cannot be stacked", name,
                                    std::count_if(missing, stack.parts.end(), is_missing), stack.parts.size(),
                                    name_of_part(stack, static_cast<std::size_t>(missing - stack.parts.begin()))));
        }
        const PlannedTensor& first = plan_.tensors[*stack.parts.front()];
        for (std::size_t slot = 0; slot < stack.parts.size(); ++slot) {
            const PlannedTensor& part = plan_.tensors[*stack.parts[slot]];
            const TensorRule& rule = rules_.tensors[stack.rule->parts[slot % stack.rule->parts.size()]];
            const Dims expected = whole_tensor(rule, values_, stack.match.at).shape;
            if (part.dtype != first.dtype) {
                throw Error(fmt::format("'{}' is {}, '{}' is {}: they cannot be stacked as '{}'", first.name,
                                        to_string(first.dtype), part.name, to_string(part.dtype), name));
            }
            if (part.is_sum != first.is_sum || part.divisor != first.divisor) {
                throw Error(fmt::format("'{}' and '{}' are not sums of the same kind: they cannot be stacked as '{}'",
                                        first.name, part.name, name));
            }
            if (!(part.shape == expected)) {
                throw Error(fmt::format("'{}': its shape is {}, config.json makes it {}: it cannot be stacked",
                                        part.name, to_string(part.shape), to_string(expected)));
            }
            if (!continues(first.view, part.view)) {
                throw Error(fmt::format("'{}' is merged through the view {}, '{}' through {}: they cannot be stacked",
                                        first.name, to_string(first.view), part.name, to_string(part.view)));
            }
        }
    }

    static bool continues(const Dims& first, const Dims& other) {
        return !first.empty() && first.rank() == other.rank() &&
               std::equal(first.begin() + 1, first.end(), other.begin() + 1);
    }

    PlannedTensor made(const std::string& name, const Stack& stack) const {
        check_parts(name, stack);
        const std::size_t parts = stack.rule->parts.size();
        PlannedTensor whole = plan_.tensors[*stack.parts.front()];
        whole.name = name;
        whole.copies.clear();
        whole.replicas.clear();
        for (std::size_t slot = 1; slot < parts; ++slot) {
            const PlannedTensor& part = plan_.tensors[*stack.parts[slot]];
            whole.shape[0] = checked_add(whole.shape[0], part.shape[0]);
            whole.view[0] = checked_add(whole.view[0], part.view[0]);
        }
        std::uint64_t row = 0;
        for (std::size_t slot = 0; slot < stack.parts.size(); ++slot) {
            const PlannedTensor& part = plan_.tensors[*stack.parts[slot]];
            if (slot % parts == 0) row = 0;
            const auto moved = [&](const Copy& copy) {
                return placed(copy, row, stack.rule->is_stacked, slot / parts);
            };
            std::transform(part.copies.begin(), part.copies.end(), std::back_inserter(whole.copies), moved);
            std::transform(part.replicas.begin(), part.replicas.end(), std::back_inserter(whole.replicas), moved);
            whole.replicas_stated = whole.replicas_stated && part.replicas_stated;
            row += part.view[0];
        }
        if (stack.rule->is_stacked) {
            whole.shape = with_leading(stack.parts.size() / parts, whole.shape);
            whole.view = with_leading(stack.parts.size() / parts, whole.view);
        }
        return whole;
    }

    static Copy placed(Copy copy, std::uint64_t row, bool is_stacked, std::uint64_t expert) {
        copy.box.origin[0] += row;
        if (!is_stacked) return copy;
        copy.box = {with_leading(expert, copy.box.origin), with_leading(1, copy.box.extent)};
        copy.stride = with_leading(0, copy.stride);
        return copy;
    }

    const Plan& plan_;
    const ModelRules& rules_;
    const Values& values_;
    std::map<std::string, Stack> stacks_;
    std::map<std::size_t, std::optional<PlannedTensor>> at_;  ///< what stands in the place of a part; mostly nothing
};

}  // namespace

Plan stack_experts(Plan plan, const ModelRules& rules, const Values& values) {
    plan.tensors = Stacking(plan, rules, values).run();
    return plan;
}

}  // namespace unshard
