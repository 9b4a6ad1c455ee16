#include "models/rules.hpp"
#include "unshard/directory.hpp"

#include <algorithm>
#include <filesystem>

namespace unshard {
namespace {

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

void check_apart(const ModelRules& rules, const ModelRules& other) {
    const auto& names = rules.architectures;
    const auto twice =
        std::find_if(names.begin(), names.end(), [&](const auto& name) { return contains(other.architectures, name); });
    if (twice == names.end()) return;
    throw UsageError(rules.file + ": architecture '" + *twice + "' is in " + other.file + " too");
}

}  // namespace

std::vector<ModelRules> load_rules_directory(const std::string& directory) {
    std::vector<std::string> files;
    for (const std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
        if (name.ends_with(".toml")) files.push_back((std::filesystem::path(directory) / name).string());
    }
    std::vector<ModelRules> all;
    for (const std::string& file : files) {
        ModelRules rules = load_rules(file);
        for (const ModelRules& other : all) check_apart(rules, other);
        all.push_back(std::move(rules));
    }
    return all;
}

const ModelRules* find_rules(const std::vector<ModelRules>& all, const nlohmann::json& config) {
    if (!config.is_object()) return nullptr;
    const auto architectures = config.find("architectures");
    if (architectures == config.end() || !architectures->is_array()) return nullptr;
    for (const ModelRules& rules : all) {
        for (const nlohmann::json& name : *architectures) {
            if (name.is_string() && contains(rules.architectures, name.get<std::string>())) return &rules;
        }
    }
    return nullptr;
}

std::optional<ModelRules> find_rules(std::span<const std::string> directories, const nlohmann::json& config) {
    for (const std::string& directory : directories) {
        const std::vector<ModelRules> all = load_rules_directory(directory);
        if (const ModelRules* rules = find_rules(all, config)) return *rules;
    }
    return std::nullopt;
}

}  // namespace unshard
