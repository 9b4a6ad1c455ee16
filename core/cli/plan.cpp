#include "command.hpp"
#include "conversion.hpp"
#include "unshard/tools/error.hpp"

namespace unshard::cli {

Run plan(CLI::App& app) {
    static Conversion conversion;
    app.add_option("INPUT", conversion.source, "a checkpoint, as for convert, or a pipeline (.toml), as for run")
        ->type_name("");
    add_input_option(app, conversion);
    add_options(app, conversion);
    set_help(app, "Does all that convert or run would do up to the first byte written, and says what would follow.",
             "INPUT -o OUTPUT [OPTIONS]\n       unshard plan PIPELINE.toml [OPTIONS]",
             "Examples:\n"
             "  unshard plan global_step_186/actor -o out/hf\n"
             "  unshard plan pipeline.toml");
    return [] {
        if (conversion.source.empty()) throw UsageError("INPUT is missing: unshard plan INPUT -o OUTPUT");
        const bool is_pipeline = conversion.source.ends_with(".toml");
        return execute(is_pipeline ? pipeline_from_file(conversion) : pipeline_from_options(conversion), conversion,
                       true);
    };
}

}  // namespace unshard::cli
