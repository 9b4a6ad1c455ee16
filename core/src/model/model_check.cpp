#include "model/model_check.hpp"

#include "model/module_prefix.hpp"

#include "models/completeness.hpp"
#include "models/rules.hpp"
#include "models/whole_tensor.hpp"
#include "text/pattern.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

namespace unshard {
namespace {

constexpr std::size_t kMostNames = 20, kFewNames = 3;

/// The tensors as the class has them: quantised weights under their plain names, without scales and the like.
std::vector<NamedShape> shapes_of(const Plan& plan, const QuantisedWeights& quantised) {
    std::vector<NamedShape> shapes;
    for (const PlannedTensor& t : plan.tensors) {
        if (quantised.companions.contains(t.name)) continue;
        const auto packed = quantised.packed.find(t.name);
        shapes.push_back({packed == quantised.packed.end() ? t.name : packed->second, t.shape});
    }
    return shapes;
}

/// Quantised weights have shapes of their own.
void forget_packed(std::vector<WrongShape>& wrong, const QuantisedWeights& quantised) {
    std::set<std::string> weights;
    for (const auto* list : {&quantised.companions, &quantised.packed}) {
        for (const auto& [name, weight] : *list) weights.insert(weight);
    }
    std::erase_if(wrong, [&](const WrongShape& w) { return weights.contains(w.name); });
}

/// How many of the missing tensors the pipeline dropped, under their own name or as part of a fused tensor.
std::size_t count_dropped(const std::vector<std::string>& missing, const Plan& plan, const ModelRules& rules,
                          const Values& values) {
    std::set<std::string> dropped;
    for (const Dropped& d : plan.dropped) {
        const std::optional<NameMatch> match = match_name(rules, d.name);
        if (!match) continue;
        for (std::string& name : tensors_behind(rules, *match, values)) dropped.insert(std::move(name));
    }
    return static_cast<std::size_t>(
        std::ranges::count_if(missing, [&](const std::string& name) { return dropped.contains(name); }));
}

/// What is kept on purpose is expected.
void forget_kept(std::vector<std::string>& unexpected, const std::vector<std::string>& patterns) {
    for (const std::string& text : patterns) {
        const auto pattern = compile_pattern(text);
        std::erase_if(unexpected, [&](const std::string& name) { return re2::RE2::PartialMatch(name, *pattern); });
    }
}

std::vector<std::string> texts_of(const std::vector<WrongShape>& wrong) {
    std::vector<std::string> texts;
    for (const WrongShape& w : wrong) {
        texts.push_back(fmt::format("{} is {}, not {}", w.name, to_string(w.found), to_string(w.expected)));
    }
    return texts;
}

/// The option that takes a prefix off once. --strip does so as often as it leads, which is too often where the class's own
/// names begin with it: "model.model.layers" of Lightning.
std::string option_against(const std::string& prefix, const std::vector<NamedShape>& shapes) {
    const auto is_repeated = [&](const NamedShape& s) { return s.name.starts_with(prefix + prefix); };
    if (std::ranges::none_of(shapes, is_repeated)) return "--strip " + prefix;
    return fmt::format("--rename '^{}='", re2::RE2::QuoteMeta(prefix));
}

class Check {
public:
    Check(const ModelCheck& wanted, const ModelRules& rules, Plan& plan)
        : wanted_(wanted),
          rules_(rules),
          plan_(plan),
          class_(architecture_of(wanted.config)),
          values_(config_values(rules, wanted.config)),
          shapes_(shapes_of(plan, wanted.quantised)) {}

    std::string run() {
        found_ = check_completeness(rules_, values_, shapes_);
        forget_packed(found_.wrong_shape, wanted_.quantised);
        const std::size_t dropped = count_dropped(found_.missing, plan_, rules_, values_);
        if (rules_.is_bare) use_bare_names();
        forget_kept(found_.unexpected, wanted_.select.keep);
        if (found_.unexpected.size() == plan_.tensors.size()) fail_other_names();
        std::vector<std::string> problems;
        report_missing(dropped, problems);
        if (!found_.unexpected.empty()) {
            problems.push_back(
                fmt::format("{} unexpected: {} (--drop PATTERN leaves them out, --keep PATTERN writes them)",
                            found_.unexpected.size(), name_list(found_.unexpected, kMostNames)));
        }
        if (!found_.wrong_shape.empty()) problems.push_back(wrong_shapes());
        if (!problems.empty()) {
            throw Error(
                fmt::format("the tensors are not those of {} in config.json: {}", class_, fmt::join(problems, "; ")));
        }
        return fmt::format("{} as {} has them ({}){}",
                           found_.missing.empty() ? "complete: all tensors" : "incomplete, the rest", class_,
                           std::filesystem::path(rules_.file).filename().string(),
                           wanted_.quantised.empty() ? "" : ", quantised: copied as they are");
    }

private:
    /// The rules have the names of the causal language model; those of a backbone alone have no prefix.
    void use_bare_names() {
        const std::string& prefix = rules_.prefixes.back().second;
        for (std::string& name : found_.missing) {
            if (name.starts_with(prefix)) name.erase(0, prefix.size());
        }
    }

    [[noreturn]] void fail_other_names() const {
        const std::string prefix = module_prefix(rules_, values_, shapes_);
        if (!prefix.empty()) {
            throw Error(
                fmt::format("the tensors are those of {} in config.json, with '{}' in front of their names: pass "
                            "{} to take it off",
                            class_, prefix, option_against(prefix, shapes_)));
        }
        throw Error(fmt::format(
            "no tensor has a name that {} in config.json has, such as {}; there are {} (--rename FROM=TO brings other "
            "names in, --assets none converts without config.json)",
            class_, name_list(found_.missing, kFewNames), name_list(found_.unexpected, kFewNames)));
    }

    void report_missing(std::size_t dropped, std::vector<std::string>& problems) {
        if (found_.missing.empty()) return;
        std::string text = fmt::format("{} missing: {}", found_.missing.size(), name_list(found_.missing, kMostNames));
        if (dropped != 0) text += fmt::format(", {} of them left out by drop", dropped);
        if (wanted_.select.allow_missing) {
            plan_.warnings.push_back(fmt::format("{}: {}", class_, text));
        } else {
            problems.push_back(text + " (--allow-missing writes the rest)");
        }
    }

    std::string wrong_shapes() const {
        const WrongShape& first = found_.wrong_shape.front();
        const auto has_more_rows = [&](const WrongShape& wrong) {
            const std::optional<NameMatch> match = match_name(rules_, wrong.name);
            return match && match->tensor && has_extra_rows(*match->tensor, wrong.found, wrong.expected);
        };
        if (std::ranges::all_of(found_.wrong_shape, has_more_rows)) {
            return fmt::format(
                "'{}' has {} rows, config.json's vocab_size is {}: --extra-rows cut leaves out the last {} (padding), "
                "--extra-rows keep writes them and changes vocab_size (tokens that were added)",
                first.name, first.found[0], first.expected[0], first.found[0] - first.expected[0]);
        }
        return fmt::format("{} of another shape than config.json says: {}{}", found_.wrong_shape.size(),
                           some_of(texts_of(found_.wrong_shape), kMostNames), wanted_.cause_of_other_shapes);
    }

    const ModelCheck& wanted_;
    const ModelRules& rules_;
    Plan& plan_;
    std::string class_;
    Values values_;
    std::vector<NamedShape> shapes_;
    Completeness found_;
};

/// For a model whose tensors cannot be checked: one line, and a warning where the user might think they were.
std::string unchecked(Plan& plan, const std::string& why, bool is_warning) {
    const std::string text = "not checked for completeness: " + why;
    if (is_warning) plan.warnings.push_back(text);
    return text;
}

}  // namespace

std::string check_model(Plan& plan, const ModelCheck& wanted) {
    if (!wanted.config.is_object()) return unchecked(plan, "there is no config.json", false);
    if (wanted.known.directories.empty()) return unchecked(plan, "configs/models is not installed", true);
    if (wanted.known.rules) return Check(wanted, *wanted.known.rules, plan).run();
    const std::string architecture = architecture_of(wanted.config);
    return unchecked(plan,
                     architecture.empty() ? "config.json has no 'architectures'"
                                          : fmt::format("nothing is known about {}", architecture),
                     true);
}

}  // namespace unshard
