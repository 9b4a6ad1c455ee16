// The tensors of single experts become one for all of a layer. Parts of an expert (gate, up) follow each other as rows.

#include "geometry/parts.hpp"
#include "model/experts.hpp"
#include "models/whole_tensor.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
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
        for (std::size_t slot = 0; slot < stack.parts.size(); ++slot) {
            const PlannedTensor& part = plan_.tensors[*stack.parts[slot]];
            const TensorRule& rule = rules_.tensors[stack.rule->parts[slot % stack.rule->parts.size()]];
            const Dims expected = whole_tensor(rule, values_, stack.match.at).shape;
            if (part.shape == expected) continue;
            throw Error(fmt::format("'{}': its shape is {}, config.json makes it {}: it cannot be stacked", part.name,
                                    to_string(part.shape), to_string(expected)));
        }
    }

    PlannedTensor made(const std::string& name, const Stack& stack) const {
        check_parts(name, stack);
        std::vector<PlannedTensor> experts;
        for (std::size_t slot = 0; slot < stack.parts.size();) {
            std::vector<PlannedTensor> parts;
            for (std::size_t i = 0; i < stack.rule->parts.size(); ++i)
                parts.push_back(plan_.tensors[*stack.parts[slot++]]);
            experts.push_back(concatenate(parts));
        }
        PlannedTensor whole = stack.rule->is_stacked ? unshard::stack(experts) : std::move(experts.front());
        whole.name = name;
        return whole;
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
