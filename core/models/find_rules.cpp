#include "models/model_config.hpp"
#include "models/rules.hpp"
#include "unshard/tools/directory.hpp"

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
        std::optional<ModelRules> rules = load_rules_if_any(file);
        if (!rules) continue;
        for (const ModelRules& other : all) check_apart(*rules, other);
        all.push_back(*std::move(rules));
    }
    return all;
}

std::string architecture_of(const nlohmann::json& config) {
    if (!config.is_object()) return {};
    const auto names = config.find("architectures");
    if (names == config.end() || !names->is_array() || names->empty() || !names->front().is_string()) return {};
    return plain_class_name(names->front().get<std::string>());
}

std::optional<ModelRules> find_rules(const std::string& directory, const std::string& architecture) {
    if (architecture.empty()) return std::nullopt;
    const std::vector<ModelRules> all = load_rules_directory(directory);
    const auto found = std::find_if(
        all.begin(), all.end(), [&](const ModelRules& rules) { return contains(rules.architectures, architecture); });
    if (found != all.end()) return *found;
    const std::string heads = directory + "/heads/heads.toml";
    return has_file(heads) ? rules_with_head(all, heads, architecture) : std::nullopt;
}

std::optional<ModelRules> find_rules(std::span<const std::string> directories, const nlohmann::json& config) {
    const std::string architecture = architecture_of(config);
    for (const std::string& directory : directories) {
        if (std::optional<ModelRules> rules = find_rules(directory, architecture)) return rules;
    }
    return std::nullopt;
}

}  // namespace unshard
