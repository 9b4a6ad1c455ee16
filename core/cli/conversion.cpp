#include "conversion.hpp"

#include "console.hpp"
#include "plan/strip.hpp"
#include "report/report.hpp"
#include "terminal_progress.hpp"
#include "text/printable.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

namespace unshard::cli {
namespace {

enum class Kind { text, number, list, prefixes, renames, flag };

/// An option and the pipeline key that it sets.
struct KeyOption {
    const char* names;
    const char* value;  ///< what to call its value in the help text
    const char* key;
    Kind kind;
    const char* group;
    const char* help;
};

constexpr const char* kOutput = "Output";
constexpr const char* kInput = "Input";
constexpr const char* kNames = "Names";
constexpr const char* kRunning = "Running";

constexpr std::array kKeyOptions = {
    KeyOption{"-o,--output", "OUTPUT", "output.path", Kind::text, kOutput,
              "what to write: a directory, or a .gguf file"},
    KeyOption{"--to", "WRITER", "output.writer", Kind::text, kOutput,
              "safetensors or gguf; default: gguf when OUTPUT ends in .gguf, else safetensors"},
    KeyOption{"--dtype", "T", "output.dtype", Kind::text, kOutput,
              "keep (the default), f32, f16 or bf16; integers and booleans are never cast. For GGUF: auto (the "
              "default), f32, "
              "f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k_s/m/l, q4_k_s/m, q5_k_s/m or q6_k"},
    KeyOption{"--max-shard-size", "S", "output.max_shard_size", Kind::text, kOutput,
              "size of one weight file: 5GB (the default), 500MB, 2GiB"},
    KeyOption{"--output-names", "NAME|FILE", "output.names", Kind::text, kOutput,
              "names in the output: hub (the default for safetensors: as save_pretrained writes them) or keep (as in "
              "memory)"},
    KeyOption{
        "--experts", "FORM", "output.experts", Kind::text, kOutput,
        "auto (the default: as the names), keep, stacked (one tensor for all experts of a layer) or separate (one "
        "for each)"},
    KeyOption{"--reader", "R", "input.reader", Kind::text, kInput, "the format; found by itself by default"},
    KeyOption{"--assets", "DIR", "input.assets", Kind::text, kInput,
              "where config.json and the tokenizer are, or none; default: looked for in and beside INPUT"},
    KeyOption{"--opaque", "NAME", "input.options.opaque", Kind::list, kInput,
              "let objects of this class through as inert values (repeatable; nothing is ever run)"},
    KeyOption{"--merger", "M", "merge.merger", Kind::text, kInput,
              "how shards become tensors; default: as the checkpoint itself says"},
    KeyOption{"--rules", "NAME|FILE", "merge.rules", Kind::text, kInput,
              "tensor-parallel rules, for mergers that need them"},
    KeyOption{"--verify-replicas", "", "merge.verify_replicas", Kind::flag, kInput,
              "compare all that several ranks hold of the same tensor; by default a sample of it"},
    KeyOption{"--names", "NAME|FILE", "select.names", Kind::text, kNames,
              "whose names and layouts the checkpoint has: auto (the default: recognised), keep (the model's own), "
              "megatron, torchtitan, ..., or a file"},
    KeyOption{"--strip", "PREFIX", "select.strip", Kind::prefixes, kNames,
              "take this off the front of names, beside what wrappers put there (repeatable)"},
    KeyOption{"--rename", "FROM=TO", "select.rename", Kind::renames, kNames,
              "change names: the first match of FROM (RE2) becomes TO, with \\1 for groups (repeatable)"},
    KeyOption{"--keep", "PATTERN", "select.keep", Kind::list, kNames,
              "tensors that are written in any case, tied weights too (RE2, repeatable)"},
    KeyOption{"--drop", "PATTERN", "select.drop", Kind::list, kNames, "tensors to leave out (RE2, repeatable)"},
    KeyOption{"--allow-missing", "", "select.allow_missing", Kind::flag, kNames,
              "write a model that lacks tensors which its class has"},
    KeyOption{"--extra-rows", "WHAT", "select.extra_rows", Kind::text, kNames,
              "rows of the embedding past config.json's vocab_size: auto (the default: cut those of Megatron, "
              "refuse others), refuse, cut, or keep and change it"},
    KeyOption{"--threads", "N", "engine.threads", Kind::number, kRunning, "default: all cores"},
    KeyOption{"--tile-mib", "N", "engine.tile_mib", Kind::number, kRunning,
              "size of a unit of work, 1 to 1024; default: 4"},
    KeyOption{"--plugin-path", "DIR", "engine.plugin_path", Kind::list, kRunning,
              "look for plugins here first (repeatable)"},
};

Setting text_setting(const std::string& key, const std::string& value, const std::string& option) {
    return {key, value, option, true, false};
}

std::string long_name(const KeyOption& option) {
    const std::string names = option.names;
    return names.substr(names.find("--"));
}

/// FROM=TO as a table. Patterns hold no '=' but in a class: [=].
std::string rename_table(const std::string& value) {
    const std::size_t equals = value.find('=');
    if (equals == std::string::npos || equals == 0) {
        throw UsageError("write it as FROM=TO, like --rename '^net\\.=model.'");
    }
    return fmt::format("{{ from = {}, to = {} }}", toml_string(value.substr(0, equals)),
                       toml_string(value.substr(equals + 1)));
}

Setting list_setting(const KeyOption& option, const std::vector<std::string>& values) {
    const std::string given = fmt::format("{} {}", long_name(option), fmt::join(values, " "));
    std::string list;
    for (const std::string& value : values) {
        try {
            list +=
                (list.empty() ? "" : ", ") + (option.kind == Kind::renames ? rename_table(value) : toml_string(value));
        } catch (const UsageError& e) {
            throw UsageError(fmt::format("{}: {}", given, e.what()));
        }
    }
    if (option.kind == Kind::prefixes) list += ", " + toml_string(kAutoStrip);
    return {option.key, "[" + list + "]", given, false, true};
}

void add_key_option(CLI::App& app, const KeyOption& option, std::vector<Setting>& settings) {
    const std::string name = long_name(option);
    if (option.kind == Kind::flag) {
        app.add_flag_callback(
               option.names, [&settings, option, name] { settings.push_back({option.key, "true", name}); }, option.help)
            ->group(option.group);
        return;
    }
    if (option.kind != Kind::text && option.kind != Kind::number) {
        app.add_option_function<std::vector<std::string>>(
               option.names,
               [&settings, option](const std::vector<std::string>& v) { settings.push_back(list_setting(option, v)); },
               option.help)
            ->allow_extra_args(false)
            ->type_name(option.value)
            ->group(option.group);
        return;
    }
    const auto set = [&settings, option, name](const std::string& value) {
        settings.push_back({option.key, value, fmt::format("{} {}", name, value), option.kind == Kind::text, false});
    };
    app.add_option_function<std::string>(option.names, set, option.help)->type_name(option.value)->group(option.group);
}

Setting key_value(const std::string& option, const std::string& set) {
    const std::size_t equals = set.find('=');
    if (equals == std::string::npos || equals == 0) {
        throw UsageError(fmt::format("{0} {1}: write it as key=value, like {0} input.root=model", option, set));
    }
    return {set.substr(0, equals), set.substr(equals + 1), option + " " + set};
}

/// The settings of the options, then those of --set, which therefore win.
std::vector<Setting> all_settings(const Conversion& conversion) {
    std::vector<Setting> settings = conversion.settings;
    for (const std::string& set : conversion.sets) settings.push_back(key_value("--set", set));
    return settings;
}

constexpr std::array kComparisonKeys = {"input.options.opaque", "select.keep",     "select.drop",
                                        "select.names",         "select.strip",    "select.rename",
                                        "engine.threads",       "engine.tile_mib", "engine.plugin_path"};

void add_running_options(CLI::App& app, Conversion& conversion) {
    add_list(app, "--set", conversion.sets, "set any key of the pipeline, e.g. input.root=model (repeatable)")
        ->type_name("KEY=VALUE")
        ->group(kRunning);
    app.add_option("--progress", conversion.progress, "auto (on a terminal), always or never")
        ->type_name("WHEN")
        ->group(kRunning);
    app.add_flag("-q,--quiet", conversion.quiet, "nothing but errors")->group(kRunning);
    app.add_flag("--json", conversion.json, "the summary as JSON")->group(kRunning);
}

}  // namespace

void add_options(CLI::App& app, Conversion& conversion) {
    for (const KeyOption& option : kKeyOptions) add_key_option(app, option, conversion.settings);
    add_running_options(app, conversion);
    app.add_flag("--force", conversion.force, "replace an existing output, once the new one is complete")
        ->group(kOutput);
    app.add_flag("--no-sync", conversion.no_sync,
                 "do not wait until the output is on the disk; a loss of power may then take it, as with cp")
        ->group(kRunning);
    app.add_flag("--print-pipeline", conversion.print_pipeline, "print the pipeline file for 'unshard run', do nothing")
        ->group(kRunning);
}

void add_comparison_options(CLI::App& app, Conversion& conversion) {
    for (const KeyOption& option : kKeyOptions) {
        const auto is_this = [&](const char* key) { return std::string_view(key) == option.key; };
        if (!std::ranges::any_of(kComparisonKeys, is_this)) continue;
        add_key_option(app, option, conversion.settings);
    }
    add_running_options(app, conversion);
}

void add_input_option(CLI::App& app, Conversion& conversion) {
    app.add_flag("--trust-plugins", conversion.trust_plugins,
                 "follow the pipeline's own plugin_path: plugins are programs, and run with your rights")
        ->group(kRunning);
    add_key_option(app, {"--input", "INPUT", "input.path", Kind::text, kInput, "the checkpoint"}, conversion.settings);
}

Pipeline pipeline_from_options(const Conversion& conversion) {
    std::vector<Setting> settings = {text_setting("input.path", conversion.source, "INPUT")};
    for (const Setting& setting : all_settings(conversion)) settings.push_back(setting);
    const auto is_output = [](const Setting& s) { return s.key == "output.path" || s.key == "output.0.path"; };
    if (std::none_of(settings.begin(), settings.end(), is_output)) {
        throw UsageError("OUTPUT is missing: say where to write with -o OUTPUT");
    }
    return pipeline_of(settings);
}

Pipeline pipeline_of_input(const Conversion& conversion, const std::string& option,
                           const std::vector<std::string>& sets) {
    std::vector<Setting> settings = {text_setting("input.path", conversion.source, "INPUT")};
    for (const Setting& setting : all_settings(conversion)) settings.push_back(setting);
    for (const std::string& set : sets) settings.push_back(key_value(option, set));
    return pipeline_without_output(settings);
}

Pipeline pipeline_from_file(const Conversion& conversion) {
    return load_pipeline(conversion.source, all_settings(conversion), conversion.trust_plugins);
}

int execute(const Pipeline& pipeline, const Conversion& conversion, bool dry_run) {
    const ProgressMode mode = progress_mode(conversion.progress);
    if (conversion.print_pipeline) {
        print(to_toml(pipeline));
        return 0;
    }
    RunReport report;
    std::string text;
    {
        TerminalProgress observer(mode, conversion.quiet);
        report = unshard::run(pipeline, {dry_run, conversion.force, !conversion.no_sync}, observer);
    }
    if (conversion.json) {
        text = json_text(to_json(report, dry_run));
    } else if (!conversion.quiet) {
        text = printable_lines(to_text(report, dry_run));
    }
    dry_run ? print(text) : print_summary(text);
    return 0;
}

}  // namespace unshard::cli
