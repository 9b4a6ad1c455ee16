#include "arguments.hpp"
#include "console.hpp"
#include "input/models_directories.hpp"
#include "report/model_names.hpp"
#include "text/printable.hpp"
#include "unshard/tools/error.hpp"

namespace unshard::cli {

Run names(CLI::App& app) {
    static std::string model, models;
    static bool json = false, all = false;
    app.add_option("MODEL", model, "a directory with a config.json, such a file, or the name of a class")
        ->type_name("");
    app.add_flag("--all", all, "a line for every tensor; by default layers share one");
    app.add_flag("--json", json, "everything, as JSON");
    app.add_option("--models", models, "look for files about models here first")->type_name("DIR");
    set_help(app, "Says what the tensors of a model are called: on the Hub, in memory, in GGUF.", "MODEL [OPTIONS]",
             "Examples:\n"
             "  unshard names Qwen3MoeForCausalLM\n"
             "  unshard names global_step_186/actor/huggingface --json | jq '.tensors[].hub'");
    return [] {
        if (model.empty()) throw UsageError("MODEL is missing: unshard names MODEL");
        Pipeline pipeline;
        pipeline.models = models;
        const ModelNames found = model_names(model, models_directories(pipeline));
        print(json ? json_text(to_json(found)) : printable_lines(to_text(found, all)));
        return 0;
    };
}

}  // namespace unshard::cli
