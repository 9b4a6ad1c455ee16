#include "pipeline/pipeline.hpp"

#include "models/document.hpp"
#include "pipeline/pipeline_settings.hpp"
#include "text/pattern.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/directory.hpp"
#include "unshard/tools/suggest.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace unshard {
namespace {

constexpr unsigned kMostThreads = 1024;
constexpr unsigned kMostTileMib = 1024;

bool is_directory_name(const std::string& assets) {
    return assets != "auto" && assets != "none";
}

/// Relative paths in the file are relative to the file's directory, those of the command line stay as they are.
std::string path_of(const Node& node, const std::string& file) {
    const std::string text = node.text();
    return node.is_in_file() ? (std::filesystem::path(file).parent_path() / text).string() : text;
}

std::vector<std::string> list_of(const Node& in, std::string_view key, std::vector<std::string> fallback) {
    return in.has(key) ? in.texts(key) : std::move(fallback);
}

/// What a plugin gets; its own keys that have a place in the section are not options too, or one would be ignored.
nlohmann::json options_of(const Node& in, const char* section, std::initializer_list<const char*> keys) {
    if (!in.has("options")) return nlohmann::json::object();
    const Node options = in.table("options");
    for (const char* key : keys) {
        if (options.has(key)) options.fail(fmt::format("'{}' is a key of {}, not one of its options", key, section));
    }
    return options.value();
}

/// Throws UsageError that shows the nearest of what is known.
template <class Known>
std::string one_of(const Node& in, std::string_view key, const std::string& fallback, const Known& known) {
    const std::string value = in.text(key, fallback);
    if (contains(known, value)) return value;
    const std::vector<std::string> names(known.begin(), known.end());
    in.at(key).fail(fmt::format("{} '{}' is unknown: {}", key, value, suggestion(value, names)));
}

std::vector<std::string> patterns(const Node& in, std::string_view key) {
    std::vector<std::string> result = in.texts(key);
    if (in.has(key)) {
        in.at(key).placed([&] {
            for (const std::string& pattern : result) compile_pattern(pattern);
        });
    }
    return result;
}

RenameRule rename_rule(const Node& in) {
    in.check_keys({"from", "to"});
    RenameRule rule{in.text("from", ""), in.text("to", "")};
    if (rule.from.empty()) in.fail("a rename needs from = 'pattern' and to = 'name'");
    in.at("from").placed([&] { check_replacement(*compile_pattern(rule.from), rule.to); });
    return rule;
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

void check_outputs_apart(const Node& root, const std::vector<Pipeline::Output>& outputs) {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        for (std::size_t j = 0; j < outputs.size(); ++j) {
            if (i == j || !place(outputs[i].path).starts_with(place(outputs[j].path))) continue;
            root.tables("output")[i].fail(
                fmt::format("outputs '{}' and '{}' lie in each other: give each a path of its own", outputs[i].path,
                            outputs[j].path));
        }
    }
}

class PipelineReader {
public:
    explicit PipelineReader(const Document& document) : root_(document), file_(document.file) {}

    Pipeline read() const {
        check_version();
        root_.check_keys({"version", "input", "merge", "select", "output", "engine"});
        Pipeline pipeline;
        read(root_.table("input"), pipeline.input);
        if (root_.has("merge")) read(root_.table("merge"), pipeline.merge);
        if (root_.has("select")) read(root_.table("select"), pipeline.select);
        for (const Node& table : root_.tables("output")) pipeline.outputs.push_back(output(table));
        check_outputs_apart(root_, pipeline.outputs);
        if (root_.has("engine")) read(root_.table("engine"), pipeline.engine);
        return pipeline;
    }

private:
    void check_version() const {
        static constexpr std::uint64_t kVersion = 1;
        if (!root_.has("version")) root_.fail("'version' is missing: begin the pipeline with 'version = 1'");
        const std::uint64_t version = root_.at("version").count(0, UINT32_MAX);
        if (version == kVersion) return;
        root_.at("version").fail(fmt::format("version is {}, this unshard reads version {}", version, kVersion));
    }

    std::string path(const Node& in) const {
        const Node path = in.at("path");
        if (path.text().empty()) path.fail(path.name() + " is empty");
        return path_of(path, file_);
    }

    /// A text, or a path where `is_path` says so.
    template <class IsPath>
    std::string text_or_path(const Node& in, std::string_view key, const std::string& fallback, IsPath is_path) const {
        const std::string text = in.text(key, fallback);
        return in.has(key) && is_path(text) ? path_of(in.at(key), file_) : text;
    }

    void read(const Node& in, Pipeline::Input& input) const {
        in.check_keys({"path", "reader", "assets", "root", "options"});
        input.path = path(in);
        input.reader = in.text("reader", input.reader);
        input.assets = text_or_path(in, "assets", input.assets, is_directory_name);
        input.root = in.text("root", input.root);
        input.options = options_of(in, "[input]", {"root"});
    }

    void read(const Node& in, Pipeline::Merge& merge) const {
        in.check_keys({"merger", "rules", "verify_replicas", "options"});
        merge.merger = in.text("merger", merge.merger);
        merge.rules = text_or_path(in, "rules", merge.rules, is_data_file);
        merge.verify_replicas = in.flag("verify_replicas", merge.verify_replicas);
        merge.options = options_of(in, "[merge]", {"rules"});
    }

    void read(const Node& in, Pipeline::Select& select) const {
        in.check_keys({"names", "strip", "rename", "keep", "drop", "allow_missing", "extra_rows"});
        select.names = text_or_path(in, "names", select.names, is_data_file);
        select.strip = list_of(in, "strip", select.strip);
        for (const Node& rule : in.tables("rename")) select.rename.push_back(rename_rule(rule));
        select.keep = patterns(in, "keep");
        select.drop = patterns(in, "drop");
        select.allow_missing = in.flag("allow_missing", select.allow_missing);
        select.extra_rows = one_of(in, "extra_rows", select.extra_rows, kExtraRows);
    }

    Pipeline::Output output(const Node& in) const {
        in.check_keys({"path", "writer", "dtype", "max_shard_size", "names", "experts", "types", "options"});
        Pipeline::Output output;
        output.path = path(in);
        output.writer = in.text("writer", output.path.ends_with(".gguf") ? "gguf" : "safetensors");
        output.dtype = in.text("dtype", output.writer == "gguf" ? "auto" : "keep");
        output.max_shard_size = in.text("max_shard_size", "");
        output.names = text_or_path(in, "names", output.writer == "safetensors" ? "hub" : "keep", is_data_file);
        output.experts = one_of(in, "experts", output.experts, kExpertForms);
        output.options = options_of(in, "[[output]]", {"dtype", "max_shard_size", "names", "experts"});
        if (!in.has("types")) return output;
        const Node types = in.at("types");
        if (!types.value().is_array()) types.fail(types.name() + " must be an array");
        if (types.value().empty()) return output;
        if (output.options.contains("types")) types.fail("'types' is in 'options' too");
        output.options["types"] = types.value();
        return output;
    }

    void read(const Node& in, Pipeline::Engine& engine) const {
        in.check_keys({"threads", "tile_mib", "plugin_path"});
        engine.threads = static_cast<unsigned>(in.count("threads", engine.threads, 0, kMostThreads));
        engine.tile_mib = in.count("tile_mib", engine.tile_mib, 1, kMostTileMib);
        if (!in.has("plugin_path")) return;
        for (const Node& path : in.at("plugin_path").items()) engine.plugin_path.push_back(path_of(path, file_));
    }

    Node root_;
    std::string file_;
};

/// What the file itself says, before the command line adds to it.
void check_no_plugins(const Document& document) {
    const Node root(document);
    if (!root.has("engine") || !root.at("engine").value().is_object()) return;
    const Node engine = root.at("engine");
    if (!engine.has("plugin_path") || engine.at("plugin_path").value().empty()) return;
    engine.at("plugin_path")
        .fail(
            "'plugin_path' names plugins, which are programs and run with your rights: pass --trust-plugins if you "
            "trust whoever wrote this file");
}

/// A document that the command line makes.
Pipeline read(const std::string& text, std::span<const Setting> settings) {
    Document document = parse_document(text, "command line");
    apply_settings(document, settings);
    return PipelineReader(document).read();
}

}  // namespace

bool is_data_file(const std::string& name) {
    return name.find('/') != std::string::npos || name.ends_with(".toml");
}

Pipeline load_pipeline(const std::string& file, std::span<const Setting> settings, bool trust_plugins) {
    Document document = read_document(file);
    if (!trust_plugins) check_no_plugins(document);
    apply_settings(document, settings);
    Pipeline pipeline = PipelineReader(document).read();
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
