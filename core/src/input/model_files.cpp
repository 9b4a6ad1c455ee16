#include "input/model_files.hpp"

#include "unshard/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>
#include <set>

namespace unshard {
namespace {

namespace fs = std::filesystem;

std::set<std::string> known_models(const fs::path& directory) {
    std::set<std::string> names;
    std::error_code failed;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory, failed)) {
        if (entry.path().extension() == ".toml") names.insert(entry.path().stem().string());
    }
    return names;
}

}  // namespace

std::string models_directory() {
    std::error_code failed;
    const fs::path executable = fs::read_symlink("/proc/self/exe", failed);
    const fs::path directory = executable.parent_path().parent_path() / "share/unshard/configs/models";
    return !failed && fs::is_directory(directory, failed) ? directory.string() : std::string();
}

std::string rules_file(const std::string& rules) {
    if (rules.find('/') != std::string::npos || rules.ends_with(".toml")) {
        if (fs::exists(rules)) return rules;
        throw UsageError(fmt::format("rules '{}': no such file", rules));
    }
    const fs::path directory = models_directory();
    const fs::path file = directory / (rules + ".toml");
    if (!directory.empty() && fs::exists(file)) return file.string();
    throw UsageError(fmt::format("rules '{}': there are none of this name; known are {}; or name a file", rules,
                                 fmt::join(known_models(directory), ", ")));
}

}  // namespace unshard
