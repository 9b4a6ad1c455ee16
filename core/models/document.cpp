#include "models/document.hpp"

#include "models/toml_text.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/suggest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

namespace unshard {
namespace {

using nlohmann::json;

/// Of one of `Document::places`.
std::string place_text(const json& place, const std::string& file) {
    const std::string name = place.size() == 3 ? place[2].get<std::string>() : file;
    const bool has_line = place.is_array() && place[0] != 0;
    return has_line ? fmt::format("{}:{}:{}", name, place[0].dump(), place[1].dump()) : name;
}

json place_of(const toml::source_position& at) {
    return {at.line, at.column};
}

/// `place` makes what `Document::places` says of a position.
template <class Place>
Document document_of(const toml::table& table, const std::string& file, Place place) {
    Document document{file, {}, json::object()};
    json last;
    try {
        document.root = json_of(table, [&](const JsonPointer& pointer, const toml::node& node) {
            last = place(node.source().begin);
            document.places[pointer.to_string()] = last;
        });
    } catch (const UsageError& e) {
        throw UsageError(fmt::format("{}: {}", place_text(last, file), e.what()));
    }
    return document;
}

std::string_view type_name(const json& value) {
    if (value.is_object()) return "a table";
    if (value.is_array()) return "an array";
    if (value.is_string()) return "a string";
    if (value.is_boolean()) return "a boolean";
    return value.is_number_float() ? "a floating-point number" : "an integer";
}

/// "/output/0/options": "output", "0", "options".
std::vector<std::string> words_of(JsonPointer pointer) {
    std::vector<std::string> words;
    for (; !pointer.empty(); pointer.pop_back()) words.push_back(pointer.back());
    std::reverse(words.begin(), words.end());
    return words;
}

}  // namespace

Document parse_document(std::string_view text, const std::string& file) {
    try {
        return document_of(parse_toml(text, file), file, place_of);
    } catch (const toml::parse_error& e) {
        throw UsageError(fmt::format("{}: {}", place_text(place_of(e.source().begin), file), e.description()));
    }
}

std::optional<Document> parse_option(std::string_view key, std::string_view value, const std::string& option) {
    try {
        const toml::table table = parse_toml(fmt::format("{} = {}", key, value), option);
        return document_of(table, option, [&](const toml::source_position&) { return json{0, 0, option}; });
    } catch (const toml::parse_error&) {
        return std::nullopt;
    }
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

bool Node::is_in_file() const {
    return document_->places.value(pointer_.to_string(), json()).size() != 3;
}

void Node::fail(const std::string& what) const {
    const json place = document_->places.value(pointer_.to_string(), json());
    throw UsageError(fmt::format("{}: {}", place_text(place, document_->file), what));
}

std::string Node::name() const {
    const auto is_index = [](const std::string& word) {
        return word.find_first_not_of("0123456789") == std::string::npos;
    };
    std::vector<std::string> words = words_of(pointer_);
    std::string name;
    for (; words.size() > 1 && is_index(words.back()); words.pop_back()) name = "[" + words.back() + "]" + name;
    if (words.empty()) return "the file";
    name = "'" + words.back() + name + "'";
    words.pop_back();
    if (words.empty()) return name + " at the top level";
    const bool is_of_array = is_index(words.back());
    std::erase_if(words, is_index);
    return fmt::format("{} in {}{}{}", name, is_of_array ? "[[" : "[", fmt::join(words, "."), is_of_array ? "]]" : "]");
}

void Node::wrong_type(const std::string& wanted) const {
    fail(fmt::format("{} is {}: it must be {}", name(), type_name(*value_), wanted));
}

const json* Node::find(std::string_view key) const {
    if (!value_->is_object()) wrong_type("a table");
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
        const std::vector<std::string> names(known.begin(), known.end());
        node.fail(fmt::format("unknown key {}: {}", node.name(), suggestion(key, names)));
    }
}

Node Node::at(std::string_view key) const {
    const Node node(*document_, pointer_ / std::string(key), find(key));
    if (!node.value_) fail(node.name() + " is missing");
    return node;
}

Node Node::table(std::string_view key) const {
    const Node node = at(key);
    if (!node.value_->is_object()) node.wrong_type("a table");
    return node;
}

std::string Node::text() const {
    if (!value_->is_string()) wrong_type("a string");
    return value_->get<std::string>();
}

std::string Node::text(std::string_view key) const {
    return at(key).text();
}

std::string Node::text(std::string_view key, const std::string& fallback) const {
    return has(key) ? text(key) : fallback;
}

std::vector<std::string> Node::texts(std::string_view key) const {
    if (!has(key)) return {};
    const Node node = at(key);
    if (node.value_->is_string()) return {node.text()};
    if (!node.value_->is_array()) node.wrong_type("a string or an array of strings");
    std::vector<std::string> result;
    for (const Node& item : node.items()) result.push_back(item.text());
    return result;
}

std::vector<Node> Node::tables(std::string_view key) const {
    if (!has(key)) return {};
    const Node node = at(key);
    if (!node.value_->is_array()) node.wrong_type("an array of tables");
    std::vector<Node> result = node.items();
    for (const Node& item : result) {
        if (!item.value_->is_object()) item.wrong_type("a table");
    }
    return result;
}

bool Node::flag(std::string_view key, bool fallback) const {
    if (!has(key)) return fallback;
    const Node node = at(key);
    if (!node.value_->is_boolean()) node.wrong_type("true or false");
    return node.value_->get<bool>();
}

double Node::number(std::string_view key, double fallback) const {
    if (!has(key)) return fallback;
    const Node node = at(key);
    if (!node.value_->is_number()) node.wrong_type("a number");
    return node.value_->get<double>();
}

std::uint64_t Node::count(std::string_view key, std::uint64_t fallback, std::uint64_t least, std::uint64_t most) const {
    return has(key) ? at(key).count(least, most) : fallback;
}

std::vector<std::pair<std::string, Node>> Node::entries() const {
    if (!value_->is_object()) wrong_type("a table");
    std::vector<std::pair<std::string, Node>> result;
    for (const auto& [key, value] : value_->items()) {
        result.emplace_back(key, Node(*document_, pointer_ / key, &value));
    }
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

std::uint64_t Node::count(std::uint64_t least, std::uint64_t most) const {
    if (!value_->is_number_integer()) wrong_type("an integer");
    const bool is_negative = !value_->is_number_unsigned() && value_->get<std::int64_t>() < 0;
    const auto value = is_negative ? 0 : value_->get<std::uint64_t>();
    if (is_negative || value < least || value > most) {
        fail(fmt::format("{} is {}: it must be {} to {}", name(), value_->dump(), least, most));
    }
    return value;
}

std::vector<Node> Node::items() const {
    if (!value_->is_array()) wrong_type("an array");
    std::vector<Node> result;
    for (std::size_t i = 0; i < value_->size(); ++i) result.push_back(Node(*document_, pointer_ / i, &(*value_)[i]));
    return result;
}

}  // namespace unshard
