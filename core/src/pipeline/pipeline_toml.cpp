// A pipeline as a file that a person can go on from: every key with its value, and what else it could be.

#include "pipeline/pipeline.hpp"
#include "text/printable.hpp"

#include <fmt/format.h>

namespace unshard {
namespace {

std::string toml_strings(const std::vector<std::string>& values) {
    std::string text;
    for (const std::string& value : values) text += (text.empty() ? "" : ", ") + toml_string(value);
    return "[" + text + "]";
}

std::string toml_number(double value) {
    const std::string text = fmt::format("{}", value);
    return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

/// One line. The depth of options is capped where they are read.
std::string toml_value(const nlohmann::json& value) {
    std::string text;
    if (value.is_object()) {
        for (const auto& [key, item] : value.items()) {
            text += fmt::format("{}{} = {}", text.empty() ? "" : ", ", toml_string(key), toml_value(item));
        }
        return "{ " + text + " }";
    }
    if (value.is_array()) {
        for (const auto& item : value) text += (text.empty() ? "" : ", ") + toml_value(item);
        return "[" + text + "]";
    }
    if (value.is_string()) return toml_string(value.get<std::string>());
    return value.is_number_float() ? toml_number(value.get<double>()) : value.dump();
}

std::string renames(const std::vector<RenameRule>& rules) {
    std::string text;
    for (const RenameRule& rule : rules) {
        text += fmt::format("{}{{ from = {}, to = {} }}", text.empty() ? "" : ", ", toml_string(rule.from),
                            toml_string(rule.to));
    }
    return "[" + text + "]";
}

/// `key = value  # comment`, the comments in one column.
std::string line(std::string_view key, std::string_view value, std::string_view comment) {
    const std::string assignment = fmt::format("{} = {}", key, value);
    return comment.empty() ? assignment + "\n" : fmt::format("{:<36} # {}\n", assignment, comment);
}

/// A key that has a value only when it is given; else an example in a comment.
std::string optional_line(std::string_view key, const std::string& value, std::string_view example,
                          std::string_view comment) {
    return value.empty() ? line(fmt::format("# {}", key), example, comment) : line(key, toml_string(value), comment);
}

std::string options_of(std::string_view section, const nlohmann::json& options) {
    if (options.empty()) return "";
    std::string text = fmt::format("\n[{}.options]\n", section);
    for (const auto& [key, value] : options.items()) text += line(toml_string(key), toml_value(value), "");
    return text;
}

std::string to_toml(const Pipeline::Input& input) {
    return "\n[input]\n" + line("path", toml_string(input.path), "") +
           line("reader", toml_string(input.reader), "or a reader's name, see 'unshard plugins'") +
           line("assets", toml_string(input.assets),
                "where config.json and the tokenizer are; \"none\": weights only") +
           line("root", toml_string(input.root), "which part of a training state is the model: \"\", \"model\", ...") +
           options_of("input", input.options);
}

std::string to_toml(const Pipeline::Merge& merge) {
    return "\n[merge]\n" + line("merger", toml_string(merge.merger), "or a merger's name, see 'unshard plugins'") +
           optional_line("rules", merge.rules, "\"llama\"", "for merger tensor_parallel: a model's name or a file") +
           line("verify_replicas", merge.verify_replicas ? "true" : "false", "compare what several ranks hold") +
           options_of("merge", merge.options);
}

std::string to_toml(const Pipeline::Select& select) {
    return "\n# Names. Patterns are RE2 and match anywhere unless ^ and $ say where.\n[select]\n" +
           line("names", toml_string(select.names), "whose names the checkpoint has: megatron, ..., or keep them") +
           line("strip", toml_strings(select.strip), "prefixes; \"auto\": what wrappers of training code put there") +
           line("rename", renames(select.rename), R"([{ from = '^backbone\.(.*)', to = 'model.\1' }])") +
           line("drop", toml_strings(select.drop), R"(['\.rotary_emb\.inv_freq$'])") +
           line("keep", toml_strings(select.keep), "never dropped, tied weights included") +
           line("allow_missing", select.allow_missing ? "true" : "false", "write a model that lacks tensors") +
           line("extra_rows", toml_string(select.extra_rows),
                "past vocab_size: auto, refuse, cut, or keep and change it");
}

std::string to_toml(const Pipeline::Output& output) {
    return "\n[[output]]\n" + line("path", toml_string(output.path), "") +
           line("writer", toml_string(output.writer), "") +
           line("dtype", toml_string(output.dtype),
                "safetensors: keep f32 f16 bf16; gguf: auto f32 f16 bf16 q8_0 q4_k_m ...") +
           optional_line("max_shard_size", output.max_shard_size, "\"5GB\"", "of one file") +
           line("names", toml_string(output.names), "hub: as save_pretrained writes them; keep: as in memory") +
           line("experts", toml_string(output.experts),
                "of a mixture: auto (as names), keep, stacked (one tensor a layer) or separate") +
           options_of("output", output.options);
}

std::string to_toml(const Pipeline::Engine& engine) {
    return "\n[engine]\n" + line("threads", std::to_string(engine.threads), "0: all") +
           line("tile_mib", std::to_string(engine.tile_mib), "memory is about threads x a few tiles") +
           line("plugin_path", toml_strings(engine.plugin_path), "directories with plugins of your own");
}

}  // namespace

std::string toml_string(const std::string& text) {
    const bool needs_escape = text.find_first_of("\\\"") != std::string::npos;
    if (needs_escape && text.find('\'') == std::string::npos && is_printable(text)) return "'" + text + "'";
    std::string quoted;
    for (const char c : text) {
        if (c == '\\' || c == '"') quoted += '\\';
        quoted += c;
    }
    return '"' + with_code_points(quoted) + '"';
}

std::string to_toml(const Pipeline& pipeline) {
    std::string text = "# A pipeline: 'unshard run' it. Relative paths are relative to this file.\nversion = 1\n";
    text += to_toml(pipeline.input) + to_toml(pipeline.merge) + to_toml(pipeline.select);
    for (const Pipeline::Output& output : pipeline.outputs) text += to_toml(output);
    return text + to_toml(pipeline.engine);
}

}  // namespace unshard
