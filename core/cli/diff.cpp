#include "diff/diff.hpp"

#include "command.hpp"
#include "console.hpp"
#include "conversion.hpp"
#include "terminal_progress.hpp"
#include "text/printable.hpp"

namespace unshard::cli {
namespace {

/// The pipeline of one side: the options of both, then its own settings.
Pipeline pipeline_of_side(const std::string& path, Conversion side, const std::string& option,
                          const std::vector<std::string>& own_sets) {
    side.source = path;
    return pipeline_of_input(side, option, own_sets);
}

}  // namespace

Run diff(CLI::App& app) {
    static std::string a, b;
    static Conversion both;
    static std::vector<std::string> sets_a, sets_b;
    app.add_option("A", a, "a checkpoint or a model")->type_name("");
    app.add_option("B", b, "another")->type_name("");
    add_comparison_options(app, both);
    add_list(app, "--set-a", sets_a, "set a key of A's pipeline alone (repeatable)")->type_name("KEY=VALUE");
    add_list(app, "--set-b", sets_b, "set a key of B's pipeline alone (repeatable)")->type_name("KEY=VALUE");
    set_help(app, "Compares two models of any readable format, tensor by tensor.", "A B [OPTIONS]",
             "Examples:\n"
             "  unshard diff global_step_186/actor out/hf\n"
             "  unshard diff old.gguf new.gguf --json\n"
             "  unshard diff tp-parts out/hf --set-a merge.merger=tensor_parallel --set-a merge.rules=qwen3\n"
             "  unshard diff a b --set-b 'select.rename=[{from = \"^backbone\", to = \"model\"}]'\n\n"
             "Exit code 0: the same, 1: different, 2: they could not be compared.");
    return [] {
        if (a.empty() || b.empty()) throw UsageError("two models are needed: unshard diff A B");
        const ProgressMode mode = progress_mode(both.progress);
        const Pipeline pipeline_a = pipeline_of_side(a, both, "--set-a", sets_a);
        const Pipeline pipeline_b = pipeline_of_side(b, both, "--set-b", sets_b);
        DiffReport report;
        {
            TerminalProgress observer(mode, both.quiet);
            report = unshard::diff(pipeline_a, pipeline_b, observer);
        }
        if (both.json) {
            print(json_text(to_json(report)));
        } else if (!both.quiet) {
            print(printable_lines(to_text(report)));
        }
        return report.is_same() ? 0 : 1;
    };
}

}  // namespace unshard::cli
