#include "command.hpp"
#include "conversion.hpp"
#include "unshard/tools/directory.hpp"

namespace unshard::cli {

Run convert(CLI::App& app) {
    static Conversion conversion;
    app.add_option("INPUT", conversion.source, "the checkpoint, or a directory with exactly one in it")->type_name("");
    add_options(app, conversion);
    set_help(app, "Converts a sharded training checkpoint into a model that can be loaded.",
             "INPUT -o OUTPUT [OPTIONS]",
             "Examples:\n"
             "  unshard convert global_step_186/actor -o out/hf\n"
             "  unshard convert global_step_186/actor -o out/hf --dtype bf16 --max-shard-size 2GB\n"
             "  unshard convert global_step_186/actor -o out/hf --print-pipeline > my.toml");
    return [] {
        if (conversion.source.empty()) throw UsageError("INPUT is missing: unshard convert INPUT -o OUTPUT");
        if (conversion.source.ends_with(".toml") && kind_of(conversion.source) == PathKind::file) {
            throw UsageError(conversion.source + ": is a pipeline, no checkpoint: unshard run " + conversion.source);
        }
        return execute(pipeline_from_options(conversion), conversion, false);
    };
}

}  // namespace unshard::cli
