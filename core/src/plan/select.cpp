#include "plan/select.hpp"

#include "plan/names_of.hpp"
#include "plan/strip.hpp"
#include "plan/tied.hpp"
#include "text/pattern.hpp"
#include "unshard/tools/extra_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace unshard {

/// A pattern of the pipeline, and whether it ever matched: one that never does is probably a mistake.
struct SelectRule {
    std::string key;
    std::string to;
    std::unique_ptr<const re2::RE2> pattern;
    bool matched = false;

    bool matches(const std::string& name) {
        const bool found = re2::RE2::PartialMatch(name, *pattern);
        matched |= found;
        return found;
    }
};

namespace {

std::vector<SelectRule> rules_of(std::string_view key, const std::vector<std::string>& patterns) {
    std::vector<SelectRule> rules;
    for (const std::string& p : patterns) rules.push_back({std::string(key), "", compile_pattern(p), false});
    return rules;
}

std::vector<SelectRule> rename_rules(const std::vector<RenameRule>& renames) {
    std::vector<SelectRule> rules;
    for (const RenameRule& r : renames) {
        rules.push_back({"rename", r.to, compile_pattern(r.from), false});
        check_replacement(*rules.back().pattern, r.to);
    }
    return rules;
}

bool any_matches(std::vector<SelectRule>& rules, const std::string& name) {
    bool found = false;
    for (SelectRule& rule : rules) found |= rule.matches(name);
    return found;
}

std::string renamed(std::string name, std::vector<SelectRule>& renames) {
    for (SelectRule& rule : renames) {
        if (!rule.matches(name)) continue;
        const std::string old = name;
        re2::RE2::Replace(&name, *rule.pattern, rule.to);
        if (name.empty()) {
            throw UsageError(fmt::format("[select] rename '{}': leaves nothing of '{}'", rule.pattern->pattern(), old));
        }
    }
    return name;
}

/// `origins` are the names in the checkpoint, `tensors` have their present names.
template <class Tensor>
void check_names_unique(const std::vector<Tensor>& tensors, const std::vector<std::string>& origins) {
    std::map<std::string_view, std::size_t> seen;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const auto [first, is_new] = seen.try_emplace(tensors[i].name, i);
        if (is_new) continue;
        throw Error(fmt::format("'{}' and '{}' both become '{}': drop one, or change what --strip or --rename does",
                                origins[first->second], origins[i], tensors[i].name));
    }
}

void warn_of_idle(const std::vector<SelectRule>& rules, std::vector<std::string>& warnings) {
    for (const SelectRule& rule : rules) {
        if (rule.matched) continue;
        warnings.push_back(fmt::format("[select] {} '{}': matches no tensor", rule.key, rule.pattern->pattern()));
    }
}

}  // namespace

Selection::Selection(const Pipeline::Select& select)
    : strip_(select.strip),
      renames_(rename_rules(select.rename)),
      drops_(rules_of("drop", select.drop)),
      keeps_(rules_of("keep", select.keep)) {}
Selection::Selection(Selection&&) noexcept = default;
Selection::~Selection() = default;

/// `origins` are the tensors' names in the checkpoint; those of dropped tensors are removed from it as well.
template <class Tensor>
void Selection::drop_matching(std::vector<Tensor>& tensors, std::vector<std::string>& origins) {
    std::vector<Tensor> left;
    std::vector<std::string> origins_left;
    for (std::size_t i = 0; i < tensors.size(); ++i) {
        const std::string& name = tensors[i].name;
        const bool is_kept = any_matches(keeps_, name);
        if (is_extra_state(name) && !is_kept) {
            dropped_.push_back({name, "what a module keeps beside its weights (get_extra_state)"});
            continue;
        }
        const auto drop = std::find_if(drops_.begin(), drops_.end(), [&](SelectRule& r) { return r.matches(name); });
        if (drop != drops_.end() && !is_kept) {
            dropped_.push_back({name, fmt::format("[select] drop '{}'", drop->pattern->pattern())});
            continue;
        }
        left.push_back(std::move(tensors[i]));
        origins_left.push_back(std::move(origins[i]));
    }
    tensors = std::move(left);
    origins = std::move(origins_left);
    if (tensors.empty()) throw Error("no tensor is left to write: [select] drops every one");
}

void Selection::before_merge(CheckpointIndex& index) {
    if (index.tensors.empty()) throw Error("the checkpoint holds no tensors");
    std::vector<std::string> origins = names_of(index.tensors);
    Stripping stripping(strip_, origins, index.is_training_state);
    for (SourceTensor& tensor : index.tensors) tensor.name = renamed(stripping.stripped(tensor.name), renames_);
    for (const auto& [prefix, count] : stripping.counts()) {
        name_changes_.push_back(fmt::format("'{}' was taken off {} of {} names", prefix, count, origins.size()));
    }
    drop_matching(index.tensors, origins);
    check_names_unique(index.tensors, origins);
}

Plan Selection::after_merge(Plan plan, const nlohmann::json& config, const nlohmann::json& config_file,
                            nlohmann::json& config_changes) {
    std::vector<std::string> origins = names_of(plan.tensors);
    drop_matching(plan.tensors, origins);
    plan.dropped.insert(plan.dropped.end(), dropped_.begin(), dropped_.end());
    const auto is_kept = [&](const std::string& name) { return any_matches(keeps_, name); };
    drop_tied_head(plan, {config, config_file, is_kept}, config_changes);
    for (const auto* rules : {&renames_, &drops_, &keeps_}) warn_of_idle(*rules, plan.warnings);
    return plan;
}

}  // namespace unshard
