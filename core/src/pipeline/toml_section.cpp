#include "pipeline/toml_section.hpp"

#include "models/toml_text.hpp"
#include "text/suggest.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace unshard {
namespace {

std::string type_name(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table:
            return "a table";
        case toml::node_type::array:
            return "an array";
        case toml::node_type::string:
            return "a string";
        case toml::node_type::integer:
            return "an integer";
        case toml::node_type::floating_point:
            return "a floating-point number";
        case toml::node_type::boolean:
            return "a boolean";
        default:
            return "a date or time";
    }
}

}  // namespace

std::string TomlSection::where(const toml::source_region& source) const {
    if (source.path && *source.path != file_) return *source.path;
    if (!source.begin) return file_;
    return fmt::format("{}:{}:{}", file_, source.begin.line, source.begin.column);
}

void TomlSection::fail(const std::string& key, const std::string& message) const {
    const toml::node* node = table_.get(key);
    throw UsageError(where(node ? node->source() : table_.source()) + ": " + message);
}

void TomlSection::wrong_type(const std::string& key, const toml::node& node, const std::string& wanted) const {
    throw UsageError(
        fmt::format("{}: '{}' {} is {}: it must be {}", where(node.source()), key, name_, type_name(node), wanted));
}

const toml::node* TomlSection::take(const std::string& key) {
    known_.push_back(key);
    return table_.get(key);
}

std::string TomlSection::text(const std::string& key, const std::string& fallback) {
    const toml::node* node = take(key);
    if (!node) return fallback;
    if (const auto* value = node->as_string()) return value->get();
    wrong_type(key, *node, "a string");
}

bool TomlSection::flag(const std::string& key, bool fallback) {
    const toml::node* node = take(key);
    if (!node) return fallback;
    if (const auto* value = node->as_boolean()) return value->get();
    wrong_type(key, *node, "true or false");
}

std::uint64_t TomlSection::number(const std::string& key, std::uint64_t fallback, std::uint64_t least,
                                  std::uint64_t most) {
    const toml::node* node = take(key);
    if (!node) return fallback;
    const auto* value = node->as_integer();
    if (!value) wrong_type(key, *node, "an integer");
    const std::int64_t n = value->get();
    if (n < 0 || static_cast<std::uint64_t>(n) < least || static_cast<std::uint64_t>(n) > most) {
        fail(key, fmt::format("'{}' {} is {}: it must be {} to {}", key, name_, n, least, most));
    }
    return static_cast<std::uint64_t>(n);
}

const toml::array* TomlSection::array(const std::string& key, const std::string& wanted) {
    const toml::node* node = take(key);
    if (!node) return nullptr;
    if (const auto* values = node->as_array()) return values;
    wrong_type(key, *node, wanted);
}

std::vector<std::string> TomlSection::texts(const std::string& key, const std::vector<std::string>& fallback) {
    const toml::array* values = array(key, "an array of strings");
    if (!values) return fallback;
    std::vector<std::string> result;
    for (const toml::node& node : *values) {
        const auto* value = node.as_string();
        if (!value) wrong_type(key, node, "an array of strings");
        result.push_back(value->get());
    }
    return result;
}

std::string TomlSection::resolved(const std::string& path, const toml::node& node) const {
    const bool is_from_file = !node.source().path || *node.source().path == file_;
    if (!is_from_file) return path;
    return (std::filesystem::path(file_).parent_path() / path).string();
}

std::string TomlSection::path(const std::string& key) {
    const std::string value = text(key, "");
    if (!table_.contains(key)) return "";
    if (value.empty()) fail(key, fmt::format("'{}' {} is empty", key, name_));
    return resolved(value, *table_.get(key));
}

std::vector<std::string> TomlSection::paths(const std::string& key) {
    std::vector<std::string> result = texts(key, {});
    for (std::size_t i = 0; i < result.size(); ++i) {
        result[i] = resolved(result[i], *table_.get(key)->as_array()->get(i));
    }
    return result;
}

std::vector<TomlSection> TomlSection::sections(const std::string& key, const std::string& name) {
    const toml::array* values = array(key, "an array of tables");
    std::vector<TomlSection> result;
    if (!values) return result;
    for (const toml::node& node : *values) {
        if (!node.is_table()) wrong_type(key, node, "an array of tables");
        result.emplace_back(*node.as_table(), name, file_);
    }
    return result;
}

TomlSection TomlSection::section(const std::string& key) {
    static const toml::table kEmpty;
    const std::string name = "in [" + key + "]";
    const toml::node* node = take(key);
    if (!node) return {kEmpty, name, file_};
    if (!node->is_table()) wrong_type(key, *node, "a table");
    return {*node->as_table(), name, file_};
}

nlohmann::json TomlSection::json(const std::string& key) {
    const toml::node* node = take(key);
    if (!node) return nlohmann::json::object();
    if (!node->is_table()) wrong_type(key, *node, "a table");
    nlohmann::json value;
    check(key, [&] { value = json_of(*node); });
    return value;
}

nlohmann::json TomlSection::json_array(const std::string& key) {
    const toml::array* values = array(key, "an array");
    if (!values) return nlohmann::json::array();
    nlohmann::json result;
    check(key, [&] { result = json_of(*values); });
    return result;
}

void TomlSection::finish(const std::string& required) const {
    for (const auto& [key, node] : table_) {
        if (contains(known_, key.str())) continue;
        const toml::source_region& source = key.source().begin ? key.source() : node.source();
        throw UsageError(
            fmt::format("{}: unknown key '{}' {}: {}", where(source), key.str(), name_, suggestion(key.str(), known_)));
    }
    if (!required.empty() && !table_.contains(required)) {
        fail(required, fmt::format("'{}' {} is missing", required, name_));
    }
}

}  // namespace unshard
