#include "pipeline/pipeline.hpp"

#include "models/toml_text.hpp"
#include "pipeline/pipeline_settings.hpp"
#include "pipeline/toml_section.hpp"
#include "text/pattern.hpp"
#include "text/suggest.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace unshard {
namespace {

constexpr unsigned kMostThreads = 1024;
constexpr unsigned kMostTileMib = 1024;

toml::table parse(const std::string& text, const std::string& file) {
    try {
        return parse_toml(text, file);
    } catch (const toml::parse_error& e) {
        const toml::source_position at = e.source().begin;
        throw UsageError(fmt::format("{}:{}:{}: {}", file, at.line, at.column, e.description()));
    }
}

bool is_directory_name(const std::string& assets) {
    return assets != "auto" && assets != "none";
}

/// What has a key of its own is not an option too: one of the two would be ignored.
void check_no_option(const TomlSection& section, const nlohmann::json& options, const char* key, const char* name) {
    if (!options.contains(key)) return;
    section.fail("options", fmt::format("'{}' is a key of {}, not one of its options", key, name));
}

void read(TomlSection section, Pipeline::Input& input) {
    input.path = section.path("path");
    input.reader = section.text("reader", input.reader);
    input.assets = section.text_or_path("assets", input.assets, is_directory_name);
    input.root = section.text("root", input.root);
    input.options = section.json("options");
    check_no_option(section, input.options, "root", "[input]");
    section.finish("path");
}

void read(TomlSection section, Pipeline::Merge& merge) {
    merge.merger = section.text("merger", merge.merger);
    merge.rules = section.text_or_path("rules", merge.rules, is_data_file);
    merge.verify_replicas = section.flag("verify_replicas", merge.verify_replicas);
    merge.options = section.json("options");
    check_no_option(section, merge.options, "rules", "[merge]");
    section.finish();
}

std::vector<std::string> patterns(TomlSection& section, const std::string& key) {
    const std::vector<std::string> result = section.texts(key, {});
    section.check(key, [&] {
        for (const std::string& pattern : result) compile_pattern(pattern);
    });
    return result;
}

RenameRule rename_rule(TomlSection rule) {
    RenameRule result{rule.text("from", ""), rule.text("to", "")};
    rule.finish();
    if (result.from.empty()) rule.fail("from", "a rename needs from = 'pattern' and to = 'name'");
    rule.check("from", [&] { check_replacement(*compile_pattern(result.from), result.to); });
    return result;
}

/// Throws UsageError that shows the nearest of what is known.
template <class Known>
void check_one_of(const char* key, const std::string& value, const Known& known) {
    if (contains(known, value)) return;
    const std::vector<std::string> names(known.begin(), known.end());
    throw UsageError(fmt::format("{} '{}' is unknown: {}", key, value, suggestion(value, names)));
}

void read(TomlSection section, Pipeline::Select& select) {
    select.names = section.text_or_path("names", select.names, is_data_file);
    select.strip = section.texts("strip", select.strip);
    for (const TomlSection& rule : section.sections("rename", "in a rename of [select]")) {
        select.rename.push_back(rename_rule(rule));
    }
    select.keep = patterns(section, "keep");
    select.drop = patterns(section, "drop");
    select.allow_missing = section.flag("allow_missing", select.allow_missing);
    select.extra_rows = section.text("extra_rows", select.extra_rows);
    section.check("extra_rows", [&] { check_one_of("extra_rows", select.extra_rows, kExtraRows); });
    section.finish();
}

Pipeline::Output output(TomlSection section) {
    Pipeline::Output output;
    output.path = section.path("path");
    output.writer = section.text("writer", output.path.ends_with(".gguf") ? "gguf" : "safetensors");
    output.dtype = section.text("dtype", output.writer == "gguf" ? "auto" : "keep");
    output.max_shard_size = section.text("max_shard_size", "");
    output.names = section.text_or_path("names", output.writer == "safetensors" ? "hub" : "keep", is_data_file);
    output.experts = section.text("experts", output.experts);
    section.check("experts", [&] { check_one_of("experts", output.experts, kExpertForms); });
    output.options = section.json("options");
    for (const char* key : {"dtype", "max_shard_size", "names", "experts"}) {
        check_no_option(section, output.options, key, "[[output]]");
    }
    nlohmann::json types = section.json_array("types");
    if (!types.empty() && output.options.contains("types")) section.fail("types", "'types' is in 'options' too");
    if (!types.empty()) output.options["types"] = std::move(types);
    section.finish("path");
    return output;
}

void read(TomlSection section, Pipeline::Engine& engine) {
    engine.threads = static_cast<unsigned>(section.number("threads", engine.threads, 0, kMostThreads));
    engine.tile_mib = section.number("tile_mib", engine.tile_mib, 1, kMostTileMib);
    engine.plugin_path = section.paths("plugin_path");
    section.finish();
}

void check_version(TomlSection& root) {
    static constexpr std::uint64_t kVersion = 1;
    const std::uint64_t version = root.number("version", 0, 0, UINT32_MAX);
    if (version == 0) root.fail("version", "'version' is missing: begin the pipeline with 'version = 1'");
    if (version == kVersion) return;
    root.fail("version", fmt::format("version is {}, this unshard reads version {}", version, kVersion));
}

/// As comparable text: the same place has the same, whatever links lead to it, and what lies in a directory begins with
/// the directory's.
std::string place(const std::string& path) {
    std::error_code error;  // told where the output is looked at
    const std::filesystem::path given = std::filesystem::absolute(path).lexically_normal();
    const std::filesystem::path real = std::filesystem::weakly_canonical(given, error);
    const std::filesystem::path& full = error ? given : real;
    return full.has_filename() ? full.string() + "/" : full.string();
}

void check_outputs_apart(const TomlSection& root, const std::vector<Pipeline::Output>& outputs) {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        for (std::size_t j = 0; j < outputs.size(); ++j) {
            if (i == j || !place(outputs[i].path).starts_with(place(outputs[j].path))) continue;
            root.fail("output", fmt::format("outputs '{}' and '{}' lie in each other: give each a path of its own",
                                            outputs[i].path, outputs[j].path));
        }
    }
}

Pipeline read(const toml::table& document, const std::string& file) {
    Pipeline pipeline;
    TomlSection root(document, "at the top level", file);
    check_version(root);
    TomlSection input = root.section("input"), merge = root.section("merge"), select = root.section("select");
    const std::vector<TomlSection> outputs = root.sections("output", "in [[output]]");
    const TomlSection engine = root.section("engine");
    root.finish();
    read(input, pipeline.input);
    read(merge, pipeline.merge);
    read(select, pipeline.select);
    for (const TomlSection& section : outputs) pipeline.outputs.push_back(output(section));
    check_outputs_apart(root, pipeline.outputs);
    read(engine, pipeline.engine);
    return pipeline;
}

/// What the file itself says, before the command line adds to it.
void check_no_plugins(const toml::table& document, const std::string& file) {
    const toml::node* path = document.at_path("engine.plugin_path").node();
    if (!path || (path->is_array() && path->as_array()->empty())) return;
    const toml::source_position at = path->source().begin;
    throw UsageError(
        fmt::format("{}:{}:{}: 'plugin_path' names plugins, which are programs and run with your rights: "
                    "pass --trust-plugins if you trust whoever wrote this file",
                    file, at.line, at.column));
}

/// A document that the command line makes.
Pipeline read(const std::string& text, std::span<const Setting> settings) {
    static const std::string kName = "command line";
    toml::table document = parse(text, kName);
    apply_settings(document, settings);
    return read(document, kName);
}

}  // namespace

bool is_data_file(const std::string& name) {
    return name.find('/') != std::string::npos || name.ends_with(".toml");
}

Pipeline load_pipeline(const std::string& file, std::span<const Setting> settings, bool trust_plugins) {
    toml::table document = parse(read_toml_text(file), file);
    if (!trust_plugins) check_no_plugins(document, file);
    apply_settings(document, settings);
    Pipeline pipeline = read(document, file);
    if (pipeline.outputs.empty()) throw UsageError(file + ": there is no [[output]]: add one with path = \"...\"");
    const std::filesystem::path models = std::filesystem::path(file).parent_path() / "models";
    if (has_directory(models)) pipeline.models = models.string();
    return pipeline;
}

Pipeline pipeline_of(std::span<const Setting> settings) {
    return read("version = 1\n[[output]]\n", settings);
}

Pipeline pipeline_without_output(std::span<const Setting> settings) {
    Pipeline pipeline = read("version = 1\n", settings);
    if (!pipeline.outputs.empty()) throw UsageError("nothing is written: leave out the settings of [[output]]");
    return pipeline;
}

}  // namespace unshard
