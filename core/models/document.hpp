// A TOML file as JSON that still knows where each value stands, so that it can be handed to plugins as data and
// whoever reads it can say file:line:column.
#pragma once

#include "unshard/tools/error.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace unshard {

struct Document {
    std::string file;
    nlohmann::json root;  ///< a table
    /// Where each value stands, by its JSON pointer: [line, column], and behind them the name of what it came from when
    /// that is not `file`: another file or, with line 0, an option of the command line.
    nlohmann::json places;
};

/// Throws UsageError when the file cannot be read, is not TOML, or has dates or numbers that JSON cannot hold.
Document read_document(const std::string& file);

/// The same of text that is TOML.
Document parse_document(std::string_view text, const std::string& file);

/// The value of an option, `key = value` with a dotted key; messages about it name the option. Nothing when that is not
/// TOML.
std::optional<Document> parse_option(std::string_view key, std::string_view value, const std::string& option);

using JsonPointer = nlohmann::json::json_pointer;

/// Puts a value of one document at a place in another; what is there is replaced.
void put(Document& into, const JsonPointer& at, const Document& from, const JsonPointer& from_where);

enum class OtherTables { refused, allowed };

/// A value in a document. Every UsageError that it throws says where the value stands.
class Node {
public:
    explicit Node(const Document& document) : Node(document, JsonPointer(), &document.root) {}

    const nlohmann::json& value() const { return *value_; }
    /// Whether it stands in the document's own file.
    bool is_in_file() const;
    [[noreturn]] void fail(const std::string& what) const;
    /// "'path' in [input]"
    std::string name() const;

    // A table.
    bool has(std::string_view key) const;
    void check_keys(std::initializer_list<std::string_view> known) const {
        check_keys({known.begin(), known.end()}, OtherTables::refused);
    }
    void check_keys(std::span<const std::string_view> known, OtherTables others) const;
    Node at(std::string_view key) const;  ///< that must be there
    Node table(std::string_view key) const;
    std::string text(std::string_view key) const;
    std::string text(std::string_view key, const std::string& fallback) const;
    std::vector<std::string> texts(std::string_view key) const;  ///< a string or several; none when it is not there
    std::vector<Node> tables(std::string_view key) const;        ///< an array of tables; empty when it is not there
    bool flag(std::string_view key, bool fallback = false) const;
    double number(std::string_view key, double fallback) const;
    std::uint64_t count(std::string_view key, std::uint64_t fallback, std::uint64_t least, std::uint64_t most) const;
    /// What is in a table, in the file's order, for it may use what stands above it; empty when it is not there.
    std::vector<std::pair<std::string, Node>> entries(std::string_view key) const;
    std::vector<std::pair<std::string, Node>> entries() const;

    // Other values.
    std::string text() const;
    std::uint64_t count(std::uint64_t least, std::uint64_t most) const;
    std::vector<Node> items() const;

    /// Runs `make`; puts the value's place in front of the UsageError that it throws.
    template <class Make>
    auto placed(Make make) const {
        try {
            return make();
        } catch (const UsageError& e) {
            fail(e.what());
        }
    }

private:
    Node(const Document& document, JsonPointer pointer, const nlohmann::json* value)
        : document_(&document), pointer_(std::move(pointer)), value_(value) {}
    const nlohmann::json* find(std::string_view key) const;
    [[noreturn]] void wrong_type(const std::string& wanted) const;

    const Document* document_;
    JsonPointer pointer_;
    const nlohmann::json* value_;
};

}  // namespace unshard
