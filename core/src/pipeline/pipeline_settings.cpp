// A setting is a small TOML document of its own ("engine.threads = 4") that is merged into the pipeline's. Its nodes
// keep the option as their source, so that a message about a bad value names the option instead of a line of the file.

#include "pipeline/pipeline_settings.hpp"

#include "models/toml_text.hpp"
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

std::optional<toml::table> as_toml(std::string_view key, const std::string& value, const std::string& source) {
    try {
        return parse_toml(fmt::format("{} = {}", key, value), source);
    } catch (const toml::parse_error&) {
        return std::nullopt;
    }
}

/// `key = value`, the value as TOML where it is that, else as a string.
toml::table parse(const Setting& setting, std::string_view key) {
    const bool one_line = setting.value.find_first_of("\r\n") == std::string::npos;
    std::optional<toml::table> parsed;
    if (one_line && !setting.is_text) parsed = as_toml(key, setting.value, setting.option);
    if (!parsed) parsed = as_toml(key, toml_string(setting.value), setting.option);
    if (!parsed) throw UsageError(fmt::format("{}: '{}' is not UTF-8", setting.option, setting.value));
    return std::move(*parsed);
}

/// Puts the setting's value into `into`, below those tables of the dotted key that are there already.
void merge(toml::table& into, const Setting& setting, std::string_view dotted_key) {
    toml::table parsed = parse(setting, dotted_key);
    toml::table* target = &into;
    toml::table* source = &parsed;
    for (auto dots = std::count(dotted_key.begin(), dotted_key.end(), '.'); dots > 0; --dots) {
        const toml::key& key = source->begin()->first;
        if (!target->contains(key.str())) break;
        toml::table* next = target->get_as<toml::table>(key.str());
        if (!next) throw UsageError(fmt::format("{}: '{}' is not a table", setting.option, key.str()));
        target = next;
        source = source->begin()->second.as_table();
    }
    const toml::key& key = source->begin()->first;
    toml::node& value = source->begin()->second;
    toml::array* list = setting.prepend ? target->get_as<toml::array>(key.str()) : nullptr;
    if (list && value.is_array()) {
        for (toml::node& item : *list) value.as_array()->push_back(std::move(item));
    }
    target->insert_or_assign(key, std::move(value));
}

/// `output.dtype` is a setting of every output, `output.1.dtype` of the second.
void merge_into_outputs(toml::table& document, const Setting& setting, std::string_view key) {
    auto* outputs = document.get_as<toml::array>("output");
    if (!outputs) throw UsageError(setting.option + ": the pipeline has no [[output]]");
    const std::string_view first = key.substr(0, key.find('.'));
    std::size_t number = 0;
    const auto [end, error] = std::from_chars(first.data(), first.data() + first.size(), number);
    const bool is_numbered = error == std::errc() && end == first.data() + first.size() && first.size() < key.size();
    if (is_numbered && number >= outputs->size()) {
        throw UsageError(fmt::format("{}: there is no output {}: the pipeline has {}, counted from 0", setting.option,
                                     number, outputs->size()));
    }
    if (is_numbered) key.remove_prefix(first.size() + 1);
    for (std::size_t i = 0; i < outputs->size(); ++i) {
        toml::table* output = outputs->get_as<toml::table>(i);
        if (output && (!is_numbered || i == number)) merge(*output, setting, key);
    }
}

}  // namespace

void apply_settings(toml::table& document, std::span<const Setting> settings) {
    static constexpr std::string_view kOutput = "output.";
    for (const Setting& setting : settings) {
        const std::string_view key = setting.key;
        if (!is_key(key)) {
            throw UsageError(fmt::format("{}: '{}' is not a key: write it like input.root=model", setting.option, key));
        }
        if (key.starts_with(kOutput)) {
            merge_into_outputs(document, setting, key.substr(kOutput.size()));
        } else {
            merge(document, setting, key);
        }
    }
}

}  // namespace unshard
