#include "select/model_check.hpp"

#include "models/completeness.hpp"
#include "models/rules.hpp"
#include "select/pattern.hpp"
#include "unshard/name_list.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <set>

namespace unshard {
namespace {

constexpr std::size_t kMostNames = 20, kFewNames = 3;

std::string architecture_of(const nlohmann::json& config) {
    const auto found = config.find("architectures");
    if (found == config.end() || !found->is_array() || found->empty() || !found->front().is_string()) return {};
    return found->front().get<std::string>();
}

std::vector<NamedShape> shapes_of(const Plan& plan) {
    std::vector<NamedShape> shapes;
    for (const PlannedTensor& t : plan.tensors) shapes.push_back({t.name, t.shape});
    return shapes;
}

/// What was dropped on purpose is not missed, in whatever form it was.
void forget_dropped(std::vector<std::string>& missing, const Plan& plan, const ModelRules& rules,
                    const Values& values) {
    std::set<std::string> dropped;
    for (const Dropped& d : plan.dropped) {
        const std::optional<NameMatch> match = match_name(rules, d.name);
        if (!match) continue;
        for (std::string& name : tensors_behind(rules, *match, values)) dropped.insert(std::move(name));
    }
    std::erase_if(missing, [&](const std::string& name) { return dropped.contains(name); });
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

void report_problems(const Completeness& found, const std::string& architecture, bool allow_missing,
                     const std::string& cause_of_other_shapes, Plan& plan) {
    std::vector<std::string> problems;
    if (!found.missing.empty()) {
        const std::string text =
            fmt::format("{} missing: {}", found.missing.size(), name_list(found.missing, kMostNames));
        if (allow_missing) {
            plan.warnings.push_back(fmt::format("{}: {}", architecture, text));
        } else {
            problems.push_back(text + " (--allow-missing writes the rest)");
        }
    }
    if (found.unexpected.size() == plan.tensors.size()) {
        throw Error(fmt::format(
            "no tensor has a name that {} in config.json has, such as {}; there are {} ([select] rename brings other "
            "names in, --assets none converts without config.json)",
            architecture, name_list(found.missing, kFewNames), name_list(found.unexpected, kFewNames)));
    }
    if (!found.unexpected.empty()) {
        problems.push_back(fmt::format("{} unexpected: {} (--drop PATTERN leaves them out, --keep PATTERN writes them)",
                                       found.unexpected.size(), name_list(found.unexpected, kMostNames)));
    }
    if (!found.wrong_shape.empty()) {
        problems.push_back(fmt::format("{} of another shape than config.json says: {}", found.wrong_shape.size(),
                                       some_of(texts_of(found.wrong_shape), kMostNames)) +
                           cause_of_other_shapes);
    }
    if (problems.empty()) return;
    throw Error(
        fmt::format("the tensors are not those of {} in config.json: {}", architecture, fmt::join(problems, "; ")));
}

}  // namespace

std::string check_model(Plan& plan, const nlohmann::json& config, std::span<const std::string> models,
                        const Pipeline::Select& select, const std::string& cause_of_other_shapes) {
    if (!config.is_object()) return "not checked for completeness: there is no config.json";
    if (models.empty()) return "not checked for completeness: configs/models is not installed";
    const std::string architecture = architecture_of(config);
    const std::optional<ModelRules> rules = find_rules(models, config);
    if (!rules) {
        return fmt::format("not checked for completeness: nothing is known about {}",
                           architecture.empty() ? "a config.json without architectures" : architecture);
    }
    const auto shapes = shapes_of(plan);
    const Values values = config_values(*rules, config);
    Completeness found = check_completeness(*rules, values, shapes);
    forget_dropped(found.missing, plan, *rules, values);
    forget_kept(found.unexpected, select.keep);
    report_problems(found, architecture, select.allow_missing, cause_of_other_shapes, plan);
    return fmt::format("{} as {} has them ({})",
                       found.missing.empty() ? "complete: all tensors" : "incomplete, the rest", architecture,
                       std::filesystem::path(rules->file).filename().string());
}

}  // namespace unshard
