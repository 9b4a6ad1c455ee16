#include "report/inspect.hpp"

#include "arguments.hpp"
#include "console.hpp"
#include "text/printable.hpp"

#include <algorithm>
#include <thread>

namespace unshard::cli {

Run inspect(CLI::App& app) {
    static Pipeline::Input input;
    static std::vector<std::string> plugin_path, opaque;
    static bool json = false, all = false;
    app.add_option("PATH", input.path, "what to look at")->type_name("");
    app.add_flag("--all", all, "a line for every tensor; by default layers share one");
    app.add_flag("--json", json, "everything, every shard too, as JSON");
    app.add_option("--reader", input.reader, "the format; found by itself by default")->type_name("R");
    app.add_option("--root", input.root, "which part of a training state is the model")->type_name("KEY");
    add_list(app, "--opaque", opaque, "let objects of this class through as inert values (repeatable)")
        ->type_name("NAME");
    add_list(app, "--plugin-path", plugin_path, "look for plugins here first (repeatable)")->type_name("DIR");
    set_help(app, "Says what is in a checkpoint, or in a safetensors file or directory.", "PATH [OPTIONS]",
             "Examples:\n"
             "  unshard inspect global_step_186/actor\n"
             "  unshard inspect out/hf --json | jq '.tensors[].name'");
    return [] {
        if (input.path.empty()) throw UsageError("PATH is missing: unshard inspect PATH");
        if (!opaque.empty()) input.options["opaque"] = opaque;
        const Plugins plugins(plugin_search_path({plugin_path.begin(), plugin_path.end()}));
        const Inspection inspection =
            unshard::inspect(input, plugins, std::max(1U, std::thread::hardware_concurrency()));
        for (const std::string& text : inspection.index.warnings) print_warning(text);
        print(json ? json_text(to_json(inspection)) : printable_lines(to_text(inspection, all)));
        return 0;
    };
}

}  // namespace unshard::cli
