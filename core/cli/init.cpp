#include "arguments.hpp"
#include "console.hpp"
#include "input/locate.hpp"
#include "plan/choose_merger.hpp"
#include "report/inspect.hpp"
#include "report/stored.hpp"
#include "text/printable.hpp"
#include "text/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace unshard::cli {
namespace {

/// What was found, as comments.
std::string findings(const Inspection& found, const std::string& assets) {
    std::uint64_t bytes = 0;
    for (const SourceTensor& tensor : found.index.tensors) bytes = checked_add(bytes, stored_bytes(tensor));
    std::string text = fmt::format("# {}: {}, {}, {} of shards\n", printable(found.path), found.index.format,
                                   count_of(found.index.tensors.size(), "tensor"), size_text(bytes));
    text += assets.empty() ? "# No config.json was found; set 'assets' when there is one.\n"
                           : fmt::format("# config.json is in {}\n", printable(assets));
    if (states_no_geometry(found.index)) {
        text += "# Nothing in it says how ranks split its tensors: choose a merger below.\n";
    }
    return text;
}

}  // namespace

Run init(CLI::App& app) {
    static Pipeline pipeline;
    static std::vector<std::string> plugin_path;
    app.add_option("INPUT", pipeline.input.path, "the checkpoint, or a directory with exactly one in it")
        ->type_name("");
    app.add_option("--reader", pipeline.input.reader, "the format; found by itself by default")->type_name("R");
    add_list(app, "--plugin-path", plugin_path, "look for plugins here first (repeatable)")->type_name("DIR");
    set_help(app, "Prints an annotated pipeline for a checkpoint, to be changed and run.", "INPUT [OPTIONS]",
             "Example:\n"
             "  unshard init global_step_186/actor > pipeline.toml && unshard run pipeline.toml");
    return [] {
        if (pipeline.input.path.empty()) throw UsageError("INPUT is missing: unshard init INPUT");
        const Plugins plugins(plugin_search_path({plugin_path.begin(), plugin_path.end()}));
        LocatedInput located = locate_input(pipeline.input, plugins, std::max(1U, std::thread::hardware_concurrency()));
        const Inspection found{located.path, located.reader_name, located.reader->index(located.request)};
        const std::string assets = locate_assets("auto", found.path, pipeline.input.path);
        pipeline.input.path = found.path;
        pipeline.input.reader = found.reader;
        pipeline.engine.plugin_path = plugin_path;
        Pipeline::Output output;
        output.path = "out/hf";
        output.writer = "safetensors";
        pipeline.outputs = {output};
        print(findings(found, assets) + to_toml(pipeline));
        return 0;
    };
}

}  // namespace unshard::cli
