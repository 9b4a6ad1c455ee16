#include "command.hpp"
#include "conversion.hpp"
#include "unshard/tools/directory.hpp"

namespace unshard::cli {

Run run(CLI::App& app) {
    static Conversion conversion;
    app.add_option("PIPELINE", conversion.source, "the pipeline, a TOML file")->type_name("");
    add_input_option(app, conversion);
    add_options(app, conversion);
    set_help(app, "Runs a pipeline file. Options change its keys; paths in them are relative to the working directory.",
             "PIPELINE.toml [OPTIONS]",
             "Examples:\n"
             "  unshard run pipeline.toml\n"
             "  unshard run pipeline.toml --input global_step_186/actor --output out/hf\n"
             "  unshard run pipeline.toml --set output.0.dtype=f16 --set input.root=model");
    return [] {
        if (conversion.source.empty()) throw UsageError("PIPELINE is missing: unshard run PIPELINE.toml");
        if (has_directory(conversion.source)) {
            throw UsageError(conversion.source + ": is a directory, no pipeline: unshard convert " + conversion.source +
                             " -o OUTPUT");
        }
        return execute(pipeline_from_file(conversion), conversion, false);
    };
}

}  // namespace unshard::cli
