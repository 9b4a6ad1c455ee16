// Finds, opens and checks plugins. A library that was opened stays open until the process ends.
#pragma once

#include "plugins/plugin_library.hpp"
#include "unshard/plugin.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace unshard {

/// A file that has a plugin's name. `refusal` says why it cannot be used; `shadowed_by` names the file that wins.
struct FoundPlugin {
    PluginKind kind;
    std::string name;
    std::filesystem::path file;
    std::string version, summary;  ///< known once opened
    std::string refusal;
    std::filesystem::path shadowed_by;
};

/// The directories that are searched, absolute, each once, earlier ones shadow later ones: `given`, UNSHARD_PLUGIN_PATH
/// (colon-separated), ../lib/unshard/plugins beside the executable, the installed directory. An empty element of
/// UNSHARD_PLUGIN_PATH means nothing, least of all the working directory. Throws UsageError when a given directory does
/// not exist, or an element of UNSHARD_PLUGIN_PATH is relative.
std::vector<std::filesystem::path> plugin_search_path(const std::vector<std::filesystem::path>& given);

class Plugins {
public:
    explicit Plugins(std::vector<std::filesystem::path> search_path) : search_path_(std::move(search_path)) {}

    /// Opens the plugin of this name. Throws UsageError when there is none (with what was searched, refused and is
    /// known), Error when the first one of that name is refused: a later one never takes its place.
    std::unique_ptr<Reader> reader(const std::string& name) const;
    std::unique_ptr<Merger> merger(const std::string& name) const;
    std::unique_ptr<Writer> writer(const std::string& name) const;

    /// Every plugin file of a kind, in search order, opened and checked.
    std::vector<FoundPlugin> list(PluginKind kind) const;
    /// The names of a kind that are neither shadowed nor refused, sorted.
    std::vector<std::string> names(PluginKind kind) const;
    const std::vector<std::filesystem::path>& search_path() const { return search_path_; }

private:
    PluginLibrary open(PluginKind kind, const std::string& name) const;
    std::string not_found(PluginKind kind, const std::string& name) const;

    std::vector<std::filesystem::path> search_path_;
};

}  // namespace unshard
