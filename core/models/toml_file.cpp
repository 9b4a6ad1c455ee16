#include "models/toml_file.hpp"

#include "models/toml_text.hpp"

#include <algorithm>

namespace unshard {
namespace {

std::string place(const std::string& path, const toml::source_position& at) {
    return at ? path + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) : path;
}

}  // namespace

TomlFile::TomlFile(std::string path) : path_(std::move(path)) {
    try {
        root_ = parse_toml(read_toml_text(path_), path_);
    } catch (const toml::parse_error& e) {
        throw UsageError(place(path_, e.source().begin) + ": " + std::string(e.description()));
    }
}

void TomlFile::fail(const toml::node& node, const std::string& what) const {
    throw UsageError(place(path_, node.source().begin) + ": " + what);
}

void TomlFile::check_keys(const toml::table& table, std::initializer_list<std::string_view> known) const {
    for (const auto& [key, value] : table) {
        if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
        std::string names;
        for (const std::string_view name : known) names += (names.empty() ? "" : ", ") + std::string(name);
        fail(value, "unknown key '" + std::string(key.str()) + "': known are " + names);
    }
}

std::string TomlFile::text(const toml::node& node) const {
    if (!node.is_string()) fail(node, "it must be a string");
    return node.as_string()->get();
}

std::string TomlFile::text(const toml::table& table, std::string_view key) const {
    const toml::node* node = table.get(key);
    if (!node) fail(table, "'" + std::string(key) + "' is missing");
    return text(*node);
}

std::vector<std::string> TomlFile::texts(const toml::table& table, std::string_view key) const {
    const toml::node* node = table.get(key);
    if (!node) return {};
    if (!node->is_array()) return {text(*node)};
    std::vector<std::string> result;
    for (const toml::node& item : *node->as_array()) result.push_back(text(item));
    return result;
}

std::vector<const toml::table*> TomlFile::tables(const toml::table& table, std::string_view key) const {
    std::vector<const toml::table*> result;
    const toml::node* node = table.get(key);
    if (!node) return result;
    if (!node->is_array()) fail(*node, "'" + std::string(key) + "' must be an array of tables");
    for (const toml::node& item : *node->as_array()) {
        if (!item.is_table()) fail(item, "'" + std::string(key) + "' must be an array of tables");
        result.push_back(item.as_table());
    }
    return result;
}

std::vector<std::pair<std::string, const toml::node*>> TomlFile::entries(std::string_view key) const {
    std::vector<std::pair<std::string, const toml::node*>> result;
    const toml::node* node = root_.get(key);
    if (!node) return result;
    if (!node->is_table()) fail(*node, "'" + std::string(key) + "' must be a table");
    for (const auto& [name, value] : *node->as_table()) result.emplace_back(name.str(), &value);
    std::sort(result.begin(), result.end(),
              [](const auto& a, const auto& b) { return a.second->source().begin < b.second->source().begin; });
    return result;
}

}  // namespace unshard
