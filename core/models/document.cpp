#include "models/document.hpp"

#include "models/toml_text.hpp"
#include "unshard/tools/contains.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

namespace unshard {
namespace {

using nlohmann::json;

std::string place_of(const std::string& file, const toml::source_position& at) {
    return at ? fmt::format("{}:{}:{}", file, at.line, at.column) : file;
}

}  // namespace

Document parse_document(std::string_view text, const std::string& file) {
    Document document{file, {}, nlohmann::json::object()};
    toml::table table;
    try {
        table = parse_toml(text, file);
    } catch (const toml::parse_error& e) {
        throw UsageError(fmt::format("{}: {}", place_of(file, e.source().begin), e.description()));
    }
    toml::source_position at;
    try {
        document.root = json_of(table, [&](const JsonPointer& pointer, const toml::node& node) {
            at = node.source().begin;
            document.places[pointer.to_string()] = {at.line, at.column};
        });
    } catch (const UsageError& e) {
        throw UsageError(fmt::format("{}: {}", place_of(file, at), e.what()));
    }
    return document;
}

Document read_document(const std::string& file) {
    return parse_document(read_toml_text(file), file);
}

void put(Document& into, const JsonPointer& at, const Document& from, const JsonPointer& from_where) {
    into.root[at] = from.root.at(from_where);
    const std::string place_there = from_where.to_string();
    for (const auto& [place, where] : from.places.items()) {
        if (place != place_there && !place.starts_with(place_there + "/")) continue;
        json moved = where;
        if (moved.size() == 2 && from.file != into.file) moved.push_back(from.file);
        into.places[at.to_string() + place.substr(place_there.size())] = std::move(moved);
    }
}

Node::Node(const Document& document, JsonPointer pointer)
    : document_(&document), pointer_(std::move(pointer)), value_(&document.root.at(pointer_)) {}

void Node::fail(const std::string& what) const {
    const json at = document_->places.value(pointer_.to_string(), json());
    const std::string file = at.size() == 3 ? at[2].get<std::string>() : document_->file;
    throw UsageError(
        fmt::format("{}: {}", at.is_null() ? file : fmt::format("{}:{}:{}", file, at[0].dump(), at[1].dump()), what));
}

const json* Node::find(std::string_view key) const {
    if (!value_->is_object()) fail("it must be a table");
    const auto found = value_->find(key);
    return found == value_->end() ? nullptr : &*found;
}

bool Node::has(std::string_view key) const {
    return find(key) != nullptr;
}

void Node::check_keys(std::span<const std::string_view> known, OtherTables others) const {
    for (const auto& [key, node] : entries()) {
        if (contains(known, key)) continue;
        if (others == OtherTables::allowed && node.value_->is_object()) continue;
        std::string names;
        for (const std::string_view name : known) names += (names.empty() ? "" : ", ") + std::string(name);
        node.fail(fmt::format("unknown key '{}': known are {}", key, names));
    }
}

Node Node::at(std::string_view key) const {
    if (!has(key)) fail(fmt::format("'{}' is missing", key));
    return {*document_, pointer_ / std::string(key)};
}

Node Node::table(std::string_view key) const {
    if (!has(key)) fail(fmt::format("'{}' must be a table", key));
    const Node node = at(key);
    if (!node.value_->is_object()) node.fail(fmt::format("'{}' must be a table", key));
    return node;
}

std::string Node::text() const {
    if (!value_->is_string()) fail("it must be a string");
    return value_->get<std::string>();
}

std::string Node::text(std::string_view key) const {
    return at(key).text();
}

std::vector<std::string> Node::texts(std::string_view key) const {
    if (!has(key)) return {};
    const Node node = at(key);
    if (!node.value_->is_array()) return {node.text()};
    std::vector<std::string> result;
    for (const Node& item : node.items()) result.push_back(item.text());
    return result;
}

std::vector<Node> Node::tables(std::string_view key) const {
    if (!has(key)) return {};
    const Node node = at(key);
    const std::string what = fmt::format("'{}' must be an array of tables", key);
    if (!node.value_->is_array()) node.fail(what);
    std::vector<Node> result = node.items();
    for (const Node& item : result) {
        if (!item.value_->is_object()) item.fail(what);
    }
    return result;
}

bool Node::flag(std::string_view key) const {
    if (!has(key)) return false;
    const Node node = at(key);
    if (!node.value_->is_boolean()) node.fail(fmt::format("'{}' must be true or false", key));
    return node.value_->get<bool>();
}

double Node::number(std::string_view key, double fallback) const {
    if (!has(key)) return fallback;
    const Node node = at(key);
    if (!node.value_->is_number()) node.fail(fmt::format("'{}' must be a number", key));
    return node.value_->get<double>();
}

std::vector<std::pair<std::string, Node>> Node::entries() const {
    if (!value_->is_object()) fail("it must be a table");
    std::vector<std::pair<std::string, Node>> result;
    for (const auto& [key, value] : value_->items()) result.emplace_back(key, Node(*document_, pointer_ / key));
    // Of the file's own first; JSON sorts by name.
    const auto place = [](const auto& entry) {
        const Node& node = entry.second;
        const json at = node.document_->places.value(node.pointer_.to_string(), json::array({0, 0, ""}));
        return std::tuple(at.size(), at[0].template get<std::int64_t>(), at[1].template get<std::int64_t>(),
                          entry.first);
    };
    std::sort(result.begin(), result.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
    return result;
}

std::vector<std::pair<std::string, Node>> Node::entries(std::string_view key) const {
    if (!has(key)) return {};
    return table(key).entries();
}

std::uint64_t Node::count() const {
    if (!value_->is_number_integer() || (!value_->is_number_unsigned() && value_->get<std::int64_t>() < 0)) {
        fail("it must be a whole number");
    }
    return value_->get<std::uint64_t>();
}

std::vector<Node> Node::items() const {
    if (!value_->is_array()) fail("it must be an array");
    std::vector<Node> result;
    for (std::size_t i = 0; i < value_->size(); ++i) result.push_back(Node(*document_, pointer_ / i));
    return result;
}

}  // namespace unshard
