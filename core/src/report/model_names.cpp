// The model is made as a plan whose tensors have no files, each with one copy that says which tensor it is. What the
// passes of a conversion make of that plan tells where each tensor ends.

#include "report/model_names.hpp"

#include "model/experts.hpp"
#include "models/completeness.hpp"
#include "models/model_config.hpp"
#include "plan/names_of.hpp"
#include "plan/translate.hpp"
#include "report/report_common.hpp"
#include "text/name_groups.hpp"
#include "text/printable.hpp"
#include "text/quantity.hpp"
#include "text/table.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/directory.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/json_file.hpp"
#include "unshard/tools/suggest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <set>

namespace unshard {
namespace {

using Ids = std::set<std::uint32_t>;  ///< of tensors as the rules have them

Plan plan_of(const ModelRules& rules, const Values& values) {
    Plan plan;
    for_each_tensor(rules, values, [&](const TensorRule& rule, const Placeholders& at) {
        const Dims shape = whole_tensor(rule, values, at).shape;
        const auto id = static_cast<std::uint32_t>(plan.tensors.size());
        PlannedTensor tensor{rule.name.fill(at), DType::bf16, shape, shape, {}, {}, true};
        tensor.copies.push_back({id, 0, 0, contiguous_strides(shape), Box::whole(shape)});
        plan.tensors.push_back(std::move(tensor));
    });
    return plan;
}

/// `named` is a class whose config.json is not there: its sizes may be missing.
Plan sized_plan(const ModelRules& rules, const nlohmann::json& settings, const std::string& named) {
    try {
        return plan_of(rules, config_values(rules, settings));
    } catch (const Error& e) {
        if (named.empty()) throw;
        throw Error(
            fmt::format("{}: its sizes are not known: name a directory with its config.json ({})", named, e.what()));
    }
}

/// With the names that state_dict() has: `alternatives` are what transformers has in memory, and the last of `prefixes` is
/// how names begin there in a backbone and in a multimodal model.
Plan in_memory(Plan plan, const ModelRules& rules, const Values& values, const std::string& architecture) {
    plan = stack_experts(std::move(plan), rules, values);
    const bool has_prefix = rules.is_bare || architecture.ends_with("ForConditionalGeneration");
    if (!has_prefix || rules.prefixes.empty()) return plan;
    const auto& [prefix, rules_prefix] = rules.prefixes.back();
    for (PlannedTensor& tensor : plan.tensors) {
        if (tensor.name.starts_with(rules_prefix)) tensor.name = prefix + tensor.name.substr(rules_prefix.size());
    }
    return plan;
}

Ids ids_of(const PlannedTensor& tensor) {
    Ids ids;
    for (const Copy& copy : tensor.copies) ids.insert(copy.tensor);
    return ids;
}

/// For each tensor of the rules those of the plan that it went into.
std::vector<std::vector<std::string>> names_by_id(const Plan& plan, std::size_t count) {
    std::vector<std::vector<std::string>> names(count);
    for (const PlannedTensor& tensor : plan.tensors) {
        for (const std::uint32_t id : ids_of(tensor)) names[id].push_back(tensor.name);
    }
    return names;
}

void add_new(std::vector<std::string>& list, const std::vector<std::string>& more) {
    for (const std::string& text : more) {
        if (!contains(list, text)) list.push_back(text);
    }
}

/// Names in a table [X.tensors] of the model's file: "name of a tensor, or of its module" = "name" or what is taken.
class NamesOfPlugin {
public:
    explicit NamesOfPlugin(const nlohmann::json& tensors) {
        for (const auto& [from, to] : tensors.items()) {
            Entry entry{NamePattern(from), {}};
            const nlohmann::json targets = to.is_array() ? to : nlohmann::json::array({to});
            for (const nlohmann::json& target : targets) {
                const nlohmann::json& name = target.is_object() ? target.value("name", nlohmann::json()) : target;
                if (name.is_string()) entry.to.emplace_back(name.get<std::string>());
            }
            entries_.push_back(std::move(entry));
        }
    }

    std::vector<std::string> of(const std::string& name) const {
        if (std::vector<std::string> found = filled(name, ""); !found.empty()) return found;
        for (const std::string suffix : {".weight", ".bias"}) {
            if (name.ends_with(suffix)) return filled(name.substr(0, name.size() - suffix.size()), suffix);
        }
        return {};
    }

private:
    struct Entry {
        NamePattern from;
        std::vector<NamePattern> to;
    };

    std::vector<std::string> filled(const std::string& name, const std::string& suffix) const {
        std::vector<std::string> names;
        for (const Entry& entry : entries_) {
            const std::optional<Placeholders> at = entry.from.match(name);
            if (!at) continue;
            for (const NamePattern& to : entry.to) names.push_back(to.fill(*at) + suffix);
            break;
        }
        return names;
    }

    std::vector<Entry> entries_;
};

/// The tables of plugins that say how they call the model's tensors.
std::map<std::string, NamesOfPlugin> plugins_of(const Document& file) {
    std::map<std::string, NamesOfPlugin> plugins;
    for (const auto& [key, table] : file.root.items()) {
        if (is_model_key(key) || !table.is_object() || !table.contains("tensors")) continue;
        if (table["tensors"].is_object()) plugins.emplace(key, NamesOfPlugin(table["tensors"]));
    }
    return plugins;
}

/// config.json of the model, or one that only names the class.
nlohmann::json config_of(const std::string& model) {
    const std::string file = has_directory(model) ? model + "/config.json" : model;
    if (has_file(file)) return read_json(file);
    if (has_directory(model)) throw UsageError(fmt::format("{}: there is no config.json in it", model));
    if (model.find('/') != std::string::npos || model.ends_with(".json")) {
        throw UsageError(fmt::format("{}: no such file or directory", model));
    }
    return {{"architectures", {model}}};
}

std::vector<std::string> known_classes(const ModelFiles& files) {
    std::set<std::string> known;
    for (const auto& [table, classes] : files.architectures_by_table()) known.insert(classes.begin(), classes.end());
    return {known.begin(), known.end()};
}

/// Numbers as #: names of one line differ in numbers alone.
std::string without_numbers(const std::string& text) {
    std::string result;
    for (const char c : text) {
        const bool is_digit = c >= '0' && c <= '9';
        if (!is_digit) result += c;
        if (is_digit && !result.ends_with('#')) result += '#';
    }
    return result;
}

/// The names of some tensors in one list, numbers folded.
std::string folded(const std::vector<std::string>& names) {
    std::vector<NamedItem> items;
    std::set<std::string> seen;
    for (const std::string& name : names) {
        if (seen.insert(name).second) items.push_back({name, ""});
    }
    std::vector<std::string> groups;
    for (const NameGroup& group : group_names(items)) groups.push_back(printable(group.name));
    return fmt::format("{}", fmt::join(groups, " + "));
}

std::vector<std::string> tables_of(const ModelNames& names) {
    std::set<std::string> tables;
    for (const TensorNames& tensor : names.tensors) {
        for (const auto& [table, others] : tensor.others) tables.insert(table);
    }
    return {tables.begin(), tables.end()};
}

}  // namespace

ModelNames model_names(const std::string& model, const std::vector<std::string>& directories) {
    const nlohmann::json file = config_of(model);
    const nlohmann::json settings = model_config(file, directories).settings;
    const ModelFiles files(directories);
    const KnownModel known{find_rules(files, settings), directories};
    ModelNames result;
    result.architecture = architecture_of(settings);
    if (!known.rules) {
        throw Error(fmt::format("{}: nothing is known about {}: {}", model,
                                result.architecture.empty() ? "its class" : result.architecture,
                                suggestion(result.architecture, known_classes(files))));
    }
    const ModelRules& rules = *known.rules;
    result.file = std::filesystem::path(rules.file).filename().string();
    result.has_own_sizes = file.size() > 1;
    if (result.architecture.ends_with("ForConditionalGeneration")) result.not_described = rules.outside;
    const Plan own = sized_plan(rules, settings, result.has_own_sizes ? "" : model);
    const Plan memory = in_memory(own, rules, config_values(rules, settings), result.architecture);
    const auto dialect =
        output_dialect(std::string(kHubNames), {names_of(memory.tensors), result.architecture, directories});
    const Plan hub = dialect ? translate(memory, *dialect, settings, known.rules) : memory;
    const std::vector<std::vector<std::string>> runtime = names_by_id(memory, own.tensors.size());
    const std::map<std::string, NamesOfPlugin> plugins = plugins_of(*files.find(result.architecture));
    for (const PlannedTensor& tensor : hub.tensors) {
        TensorNames names{tensor.name, tensor.shape, {}, {}};
        for (const std::uint32_t id : ids_of(tensor)) {
            add_new(names.runtime, runtime[id]);
            for (const auto& [table, plugin] : plugins) add_new(names.others[table], plugin.of(own.tensors[id].name));
        }
        result.tensors.push_back(std::move(names));
    }
    return result;
}

std::string to_text(const ModelNames& names, bool all) {
    const std::vector<std::string> tables = tables_of(names);
    std::vector<NamedItem> items;
    for (const TensorNames& tensor : names.tensors) {
        std::string kind = to_string(tensor.shape) + without_numbers(fmt::format("{}", fmt::join(tensor.runtime, "|")));
        for (const auto& [table, others] : tensor.others)
            kind += without_numbers(fmt::format("|{}", fmt::join(others, "|")));
        items.push_back({tensor.hub, all ? tensor.hub : kind});
    }
    std::vector<TableRow> rows = {{"hub (safetensors)", "in memory"}};
    rows.front().insert(rows.front().end(), tables.begin(), tables.end());
    rows.front().insert(rows.front().end(), {"shape", ""});
    for (const NameGroup& group : group_names(items)) {
        TableRow row = {printable(group.name)};
        std::vector<std::string> runtime;
        for (const std::size_t i : group.members) add_new(runtime, names.tensors[i].runtime);
        row.push_back(runtime == std::vector{names.tensors[group.members.front()].hub} ? "same" : folded(runtime));
        if (row[1] == row[0]) row[1] = "same";
        for (const std::string& table : tables) {
            std::vector<std::string> others;
            for (const std::size_t i : group.members) add_new(others, names.tensors[i].others.at(table));
            row.push_back(others.empty() ? "-" : folded(others));
        }
        row.push_back(to_string(names.tensors[group.members.front()].shape));
        row.push_back(group.members.size() > 1 ? "x" + grouped(group.members.size()) : "");
        rows.push_back(std::move(row));
    }
    return fmt::format("{} ({}): {}{}\n\n", names.architecture, names.file, count_of(names.tensors.size(), "tensor"),
                       names.has_own_sizes ? "" : ", in the sizes that the class has by default") +
           table_text(rows, 2) +
           (names.not_described.empty()
                ? ""
                : fmt::format("\nnot described: names that begin with {}\n", fmt::join(names.not_described, ", ")));
}

nlohmann::ordered_json to_json(const ModelNames& names) {
    nlohmann::ordered_json json = {{"architecture", names.architecture},
                                   {"file", names.file},
                                   {"sizes", names.has_own_sizes ? "config.json" : "defaults"}};
    json["tensors"] = nlohmann::ordered_json::array();
    for (const TensorNames& tensor : names.tensors) {
        nlohmann::ordered_json item = {
            {"hub", tensor.hub}, {"shape", to_json(tensor.shape)}, {"runtime", tensor.runtime}};
        for (const auto& [table, others] : tensor.others) item[table] = others;
        json["tensors"].push_back(std::move(item));
    }
    json["not_described"] = names.not_described;
    return json;
}

}  // namespace unshard
