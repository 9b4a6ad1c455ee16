#include "input/models_directories.hpp"

#include "unshard/tools/directory.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <set>

namespace unshard {
namespace {

namespace fs = std::filesystem;

std::set<std::string> known_models(std::span<const std::string> directories) {
    std::set<std::string> names;
    for (const std::string& directory : directories) {
        for (const std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
            if (name.ends_with(".toml")) names.insert(name.substr(0, name.size() - 5));
        }
    }
    return names;
}

}  // namespace

std::vector<std::string> models_directories(const Pipeline& pipeline) {
    std::vector<std::string> directories;
    const auto add = [&](const nlohmann::json& options) {
        const auto named = options.find("model_dir");
        if (named == options.end()) return;
        if (!named->is_string()) {
            throw UsageError(fmt::format("option 'model_dir': {} has the wrong type or range", named->dump()));
        }
        directories.push_back(named->get<std::string>());
        if (!has_directory(directories.back())) {
            throw UsageError(fmt::format("option 'model_dir': there is no directory '{}'", directories.back()));
        }
    };
    for (const Pipeline::Output& output : pipeline.outputs) add(output.options);
    add(pipeline.merge.options);
    if (!pipeline.models.empty()) directories.push_back(pipeline.models);
    std::error_code failed;
    const fs::path executable = fs::read_symlink("/proc/self/exe", failed);
    const fs::path directory = executable.parent_path().parent_path() / "share/unshard/configs/models";
    if (!failed && has_directory(directory)) directories.push_back(directory.string());
    return directories;
}

nlohmann::json without_models_directory(nlohmann::json options) {
    options.erase("model_dir");
    return options;
}

std::string rules_file(const std::string& rules, std::span<const std::string> directories) {
    if (is_data_file(rules)) {
        if (has_file(rules)) return rules;
        throw UsageError(fmt::format("rules '{}': no such file", rules));
    }
    for (const std::string& directory : directories) {
        const fs::path file = fs::path(directory) / (rules + ".toml");
        if (has_file(file)) return file.string();
    }
    throw UsageError(fmt::format("rules '{}': there are none of this name; known are {}; or name a file", rules,
                                 fmt::join(known_models(directories), ", ")));
}

}  // namespace unshard
