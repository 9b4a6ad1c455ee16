// What convert, run and plan have in common. Every option that changes the pipeline is a setting of one of its keys, so
// that `convert` is `run` on a pipeline made of options, and `run` takes the options of `convert`.
#pragma once

#include "arguments.hpp"
#include "pipeline/pipeline.hpp"

#include <string>
#include <vector>

namespace unshard::cli {

struct Conversion {
    std::string source;  ///< the checkpoint, or the pipeline file
    bool force = false;
    bool no_sync = false;
    bool quiet = false;
    bool json = false;
    bool print_pipeline = false;
    bool trust_plugins = false;  ///< those in the pipeline file's own plugin_path
    std::string progress = "auto";
    std::vector<Setting> settings;
    std::vector<std::string> sets;  ///< key=value of --set
};

/// Declares all options that go to a pipeline's keys, and those above. `conversion` must outlive the app.
void add_options(CLI::App& app, Conversion& conversion);

/// Declares those options that matter when two models are read and compared: they are the same for both.
void add_comparison_options(CLI::App& app, Conversion& conversion);

/// Declares what only matters to a pipeline file: --input, which may stand in it, and --trust-plugins.
void add_input_option(CLI::App& app, Conversion& conversion);

/// The pipeline that convert's options make. Throws UsageError.
Pipeline pipeline_from_options(const Conversion& conversion);

/// The pipeline of options that is only read from; `sets` were given by `option` and win. Throws UsageError.
Pipeline pipeline_of_input(const Conversion& conversion, const std::string& option,
                           const std::vector<std::string>& sets);

/// The pipeline in a file, changed by the options. Throws UsageError.
Pipeline pipeline_from_file(const Conversion& conversion);

/// Runs a pipeline and prints the summary, or prints the pipeline alone when asked to. Returns the exit code.
int execute(const Pipeline& pipeline, const Conversion& conversion, bool dry_run);

}  // namespace unshard::cli
