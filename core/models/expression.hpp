// The small language of configs/models: "heads * head_dim", "not layer in dense_layers and (layer + 1) % step == 0".
//
// Whole numbers and names; lowest to highest: or; and; not; == != < <= > >= and `in` (a list's name); + -; * / %; ( ).
// Truth is 0 or 1. `and` and `or` leave out their right side when the left decides. Division rounds down, as Python's // does for what is not negative.
#pragma once

#include "models/name_pattern.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace unshard {

/// What names stand for. Truth values of config.json are 0 and 1.
struct Values {
    std::map<std::string, std::int64_t> numbers;
    std::map<std::string, std::vector<std::int64_t>> lists;
    friend bool operator==(const Values&, const Values&) = default;
};

/// The kinds of a node, most of them operators.
enum class Operator {
    number,
    name,
    add,
    subtract,
    multiply,
    divide,
    remainder,
    equal,
    unequal,
    less,
    at_most,
    greater,
    at_least,
    logical_and,
    logical_or,
    logical_not,
    in
};

class Expression {
public:
    /// Throws UsageError that shows the text and says what is wrong with it. At most 256 characters.
    explicit Expression(std::string_view text);

    /// Throws Error for a name without a value, an overflow, a division by zero.
    std::int64_t value(const Values& values, const Placeholders& at = {}) const;

    /// Puts `meaning` wherever `name` stands. Throws UsageError when that makes it too long.
    void inline_name(const std::string& name, const Expression& meaning);

    const std::string& text() const { return text_; }
    /// The names of numbers that it uses, and of lists.
    std::vector<std::string> numbers() const;
    std::vector<std::string> lists() const;

private:
    struct Node {
        Operator operation = Operator::number;
        std::int64_t number = 0;
        std::string name;  ///< Operator::in: of the list
        std::vector<Node> operands;

        std::int64_t value(const Values& values, const Placeholders& at) const;
        void inline_name(const std::string& inlined, const Node& meaning);
        std::size_t count() const;
        void collect_names(Operator used_by, std::vector<std::string>& names) const;
    };
    class Parser;

    std::string text_;
    Node root_;
};

}  // namespace unshard
