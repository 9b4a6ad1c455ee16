#include "arguments.hpp"
#include "console.hpp"
#include "plugins/plugin_loader.hpp"
#include "text/printable.hpp"

#include <fmt/format.h>

namespace unshard::cli {
namespace {

std::string plugin_text(const FoundPlugin& plugin, bool verbose) {
    const bool is_usable = plugin.refusal.empty() && plugin.shadowed_by.empty();
    if (!is_usable && plugin.refusal.empty() && !verbose) return "";
    std::string text = fmt::format("  {:<16} {:<10} {}\n", plugin.name, plugin.version, printable(plugin.summary));
    if (!plugin.refusal.empty()) text = fmt::format("  {:<16} refused: {}\n", plugin.name, printable(plugin.refusal));
    if (verbose) text += fmt::format("  {:<16} {}\n", "", printable(plugin.file.string()));
    if (!plugin.shadowed_by.empty()) {
        text += fmt::format("  {:<16} shadowed by {}\n", "", printable(plugin.shadowed_by.string()));
    }
    return text;
}

}  // namespace

Run plugins(CLI::App& app) {
    static std::vector<std::string> plugin_path;
    static bool verbose = false;
    app.add_flag("-v,--verbose", verbose, "files, shadowed plugins and the search path too");
    add_list(app, "--plugin-path", plugin_path, "look for plugins here first (repeatable)")->type_name("DIR");
    set_help(
        app, "Lists the plugins that are found, and says why others cannot be used.", "[OPTIONS]",
        "Plugins are searched in --plugin-path, the pipeline's plugin_path, UNSHARD_PLUGIN_PATH, beside the program\n"
        "and where it was installed; the first of a name wins.");
    return [] {
        const Plugins found(plugin_search_path({plugin_path.begin(), plugin_path.end()}));
        std::string text;
        for (const PluginKind kind : {PluginKind::reader, PluginKind::merger, PluginKind::writer}) {
            text += fmt::format("{}s\n", to_string(kind));
            const std::vector<FoundPlugin> list = found.list(kind);
            for (const FoundPlugin& plugin : list) text += plugin_text(plugin, verbose);
            if (list.empty()) text += "  none\n";
        }
        if (verbose) {
            text += "search path\n";
            for (const auto& directory : found.search_path())
                text += fmt::format("  {}\n", printable(directory.string()));
        }
        print(printable_lines(text));
        return 0;
    };
}

}  // namespace unshard::cli
