// Where plugins are looked for and which one wins. Directories are absolute throughout: what a name means never depends
// on the working directory, where a checkpoint from anywhere may lie.

#include "plugins/plugin_loader.hpp"

#include "plugins/abi_bridge.hpp"

#include "unshard/tools/directory.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <system_error>
#include <utility>

namespace unshard {
namespace {

namespace fs = std::filesystem;

constexpr const char* kVariable = "UNSHARD_PLUGIN_PATH";

std::vector<fs::path> directories_of_environment() {
    const char* variable = std::getenv(kVariable);
    std::vector<fs::path> directories;
    std::string_view rest = variable == nullptr ? "" : variable;
    while (!rest.empty()) {
        const std::string_view element = rest.substr(0, rest.find(':'));
        rest.remove_prefix(std::min(rest.size(), element.size() + 1));
        if (element.empty()) continue;
        if (element.front() != '/') {
            throw UsageError(fmt::format("{}: '{}' is a relative path: write it from '/' on", kVariable, element));
        }
        directories.emplace_back(element);
    }
    return directories;
}

fs::path directory_beside_executable() {
    std::error_code failed;
    const fs::path executable = fs::read_symlink("/proc/self/exe", failed);
    return failed ? fs::path() : executable.parent_path().parent_path() / "lib/unshard/plugins";
}

/// Appends a directory unless it is there already, under whatever spelling.
void add_directory(std::vector<fs::path>& path, const fs::path& directory) {
    if (directory.empty()) return;
    std::error_code failed;
    fs::path real = fs::weakly_canonical(directory, failed);
    if (failed) real = directory.lexically_normal();
    if (std::find(path.begin(), path.end(), real) == path.end()) path.push_back(std::move(real));
}

/// The name in "unshard-<kind>-<name>.so"; empty when the file is called otherwise.
std::string name_in(const fs::path& file, PluginKind kind) {
    const std::string text = file.filename().string();
    const std::string prefix = fmt::format("unshard-{}-", to_string(kind));
    if (!text.starts_with(prefix) || !text.ends_with(".so") || text.size() <= prefix.size() + 3) return {};
    return text.substr(prefix.size(), text.size() - prefix.size() - 3);
}

/// Plugin files of a kind in a directory, by name. A directory that does not exist has none.
std::map<std::string, fs::path> plugin_files(const fs::path& directory, PluginKind kind) {
    std::map<std::string, fs::path> files;
    for (const std::string& file : names_in(directory).value_or(std::vector<std::string>())) {
        const std::string name = name_in(directory / file, kind);
        if (!name.empty()) files.emplace(name, directory / file);
    }
    return files;
}

FoundPlugin found_plugin(const fs::path& file, PluginKind kind, const std::string& name) {
    FoundPlugin found{kind, name, file, {}, {}, {}, {}};
    if (!is_plugin_name(name)) {
        found.refusal = fmt::format("'{}' cannot be a plugin's name: use letters, digits, '_' and '-'", name);
        return found;
    }
    const PluginLibrary library = open_plugin(file, kind, name);
    found.refusal = library.refusal;
    if (library.info == nullptr) return found;
    found.version = library.info->version;
    found.summary = library.info->summary;
    return found;
}

}  // namespace

std::vector<fs::path> plugin_search_path(const std::vector<fs::path>& given) {
    std::vector<fs::path> path;
    for (const fs::path& directory : given) {
        std::error_code failed;
        if (!fs::is_directory(directory, failed)) {
            throw UsageError(fmt::format("plugin path '{}': no such directory", directory.string()));
        }
        add_directory(path, fs::absolute(directory));
    }
    for (const fs::path& directory : directories_of_environment()) add_directory(path, directory);
    add_directory(path, directory_beside_executable());
    add_directory(path, UNSHARD_INSTALLED_PLUGIN_DIR);
    return path;
}

std::unique_ptr<Reader> Plugins::reader(const std::string& name) const {
    return bridged_reader(open(PluginKind::reader, name));
}

std::unique_ptr<Merger> Plugins::merger(const std::string& name) const {
    return bridged_merger(open(PluginKind::merger, name));
}

std::unique_ptr<Writer> Plugins::writer(const std::string& name) const {
    return bridged_writer(open(PluginKind::writer, name));
}

PluginLibrary Plugins::open(PluginKind kind, const std::string& name) const {
    if (!is_plugin_name(name)) {
        throw UsageError(
            fmt::format("{} '{}': a plugin's name has letters, digits, '_' and '-' only; directories are given by "
                        "--plugin-path",
                        to_string(kind), name));
    }
    for (const fs::path& directory : search_path_) {
        const fs::path file = directory / plugin_file_name(kind, name);
        std::error_code failed;
        const fs::file_status found =
            fs::symlink_status(file, failed);  // a link to nothing is refused when it is opened
        if (found.type() == fs::file_type::not_found) continue;
        if (failed) throw Error(fmt::format("{}: {}", file.string(), failed.message()));
        PluginLibrary library = open_plugin(file, kind, name);
        if (library.info == nullptr) throw Error(fmt::format("{}: {}", file.string(), library.refusal));
        return library;
    }
    throw UsageError(not_found(kind, name));
}

std::string Plugins::not_found(PluginKind kind, const std::string& name) const {
    std::vector<std::string> directories, refused;
    for (const fs::path& directory : search_path_) directories.push_back(directory.string());
    for (const FoundPlugin& p : list(kind)) {
        if (!p.refusal.empty()) refused.push_back(fmt::format("{} ({})", p.file.string(), p.refusal));
    }
    std::string text = fmt::format("no {} '{}'. Looked in: {}.", to_string(kind), name, fmt::join(directories, ", "));
    if (!refused.empty()) text += fmt::format(" Refused: {}.", fmt::join(refused, ", "));
    const std::vector<std::string> known = names(kind);
    return text + fmt::format(" Known {}s: {}", to_string(kind),
                              known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")));
}

std::vector<FoundPlugin> Plugins::list(PluginKind kind) const {
    std::vector<FoundPlugin> all;
    std::map<std::string, fs::path> winners;
    for (const fs::path& directory : search_path_) {
        for (const auto& [name, file] : plugin_files(directory, kind)) {
            FoundPlugin& found = all.emplace_back(found_plugin(file, kind, name));
            const auto [winner, is_first] = winners.emplace(name, file);
            if (!is_first) found.shadowed_by = winner->second;
        }
    }
    return all;
}

std::vector<std::string> Plugins::names(PluginKind kind) const {
    std::vector<std::string> names;
    for (const FoundPlugin& p : list(kind)) {
        if (p.refusal.empty() && p.shadowed_by.empty()) names.push_back(p.name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace unshard
