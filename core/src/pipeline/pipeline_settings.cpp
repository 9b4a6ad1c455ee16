// A setting is a small document of its own ("engine.threads = 4") that is put into the pipeline's. A message about a
// bad value names the option instead of a line of the file.

#include "pipeline/pipeline_settings.hpp"

#include "unshard/tools/ascii.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace unshard {
namespace {

bool is_key(std::string_view key) {
    const auto is_bare = [](char c) { return is_ascii_letter(c) || is_ascii_digit(c) || c == '_' || c == '-'; };
    const bool dots_apart =
        !key.empty() && key.front() != '.' && key.back() != '.' && key.find("..") == std::string_view::npos;
    return dots_apart && std::all_of(key.begin(), key.end(), [&](char c) { return c == '.' || is_bare(c); });
}

/// `key = value`, the value as TOML where it is that, else as a string.
Document parse(const Setting& setting, std::string_view key) {
    const bool one_line = setting.value.find_first_of("\r\n") == std::string::npos;
    std::optional<Document> parsed;
    if (one_line && !setting.is_text) parsed = parse_option(key, setting.value, setting.option);
    if (parsed) return std::move(*parsed);
    try {
        return parse_option(key, toml_string(setting.value), setting.option).value();
    } catch (const UsageError& e) {
        throw UsageError(fmt::format("{}: {}", setting.option, e.what()));
    }
}

/// "a.b": /a/b
JsonPointer pointer_of(std::string_view dotted_key) {
    JsonPointer pointer;
    while (true) {
        const std::size_t dot = dotted_key.find('.');
        pointer /= std::string(dotted_key.substr(0, dot));
        if (dot == std::string_view::npos) return pointer;
        dotted_key.remove_prefix(dot + 1);
    }
}

/// Makes the tables that lead to `within` from `table`, where they are missing.
void make_tables(Document& document, const JsonPointer& table, const JsonPointer& within, const Setting& setting) {
    const JsonPointer above = within.parent_pointer();
    if (above.empty()) return;
    make_tables(document, table, above, setting);
    const JsonPointer at = table / above;
    if (!document.root.contains(at)) document.root[at] = nlohmann::json::object();
    if (!document.root.at(at).is_object()) {
        throw UsageError(fmt::format("{}: '{}' is not a table", setting.option, above.back()));
    }
}

/// Puts the setting's value into the table at `table`, in front of what is in the list there if it asks for that.
void merge(Document& into, const JsonPointer& table, const Setting& setting, std::string_view key) {
    const Document parsed = parse(setting, key);
    const JsonPointer within = pointer_of(key), at = table / within;
    make_tables(into, table, within, setting);
    const bool prepends = setting.prepend && into.root.contains(at) && parsed.root.at(within).is_array();
    const Document before = prepends ? into : Document();
    put(into, at, parsed, within);
    if (!prepends) return;
    const std::size_t first = parsed.root.at(within).size();
    if (const nlohmann::json& old = before.root.at(at); !old.is_array()) {
        put(into, at / first, before, at);
    } else {
        for (std::size_t i = 0; i < old.size(); ++i) put(into, at / (first + i), before, at / i);
    }
}

/// `output.dtype` is a setting of every output, `output.1.dtype` of the second.
void merge_into_outputs(Document& document, const Setting& setting, std::string_view key) {
    const nlohmann::json outputs = document.root.value("output", nlohmann::json());
    if (!outputs.is_array()) throw UsageError(setting.option + ": the pipeline has no [[output]]");
    const std::string_view first = key.substr(0, key.find('.'));
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(first.data(), first.data() + first.size(), number);
    const bool is_numbered = error == std::errc() && end == first.data() + first.size() && first.size() < key.size();
    if (is_numbered && number >= outputs.size()) {
        throw UsageError(fmt::format("{}: there is no output {}: the pipeline has {}, counted from 0", setting.option,
                                     number, outputs.size()));
    }
    if (is_numbered) key.remove_prefix(first.size() + 1);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
        if (is_numbered && i != number) continue;
        if (outputs[i].is_object()) merge(document, JsonPointer() / "output" / i, setting, key);
    }
}

}  // namespace

void apply_settings(Document& document, std::span<const Setting> settings) {
    static constexpr std::string_view kOutput = "output.";
    for (const Setting& setting : settings) {
        const std::string_view key = setting.key;
        if (!is_key(key)) {
            throw UsageError(fmt::format("{}: '{}' is not a key: write it like input.root=model", setting.option, key));
        }
        if (key.starts_with(kOutput)) {
            merge_into_outputs(document, setting, key.substr(kOutput.size()));
        } else {
            merge(document, JsonPointer(), setting, key);
        }
    }
}

}  // namespace unshard
