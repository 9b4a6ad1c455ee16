// Parsed once by operator precedence into a tree. The caps on the text's length and on the tree's nodes bound every
// recursion.

#include "models/expression.hpp"

#include "unshard/tools/ascii.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace unshard {
namespace {

constexpr std::size_t kMostCharacters = 256;
constexpr std::size_t kMostNodes = 1024;
constexpr std::int64_t kLargestLiteral = 1'000'000'000'000;

struct OperatorInfo {
    std::string_view text;
    Operator operation;
    int precedence;
};

/// Longer spellings before their prefixes.
constexpr std::array kBinary = {
    OperatorInfo{"or", Operator::logical_or, 1}, OperatorInfo{"and", Operator::logical_and, 2},
    OperatorInfo{"==", Operator::equal, 4},      OperatorInfo{"!=", Operator::unequal, 4},
    OperatorInfo{"<=", Operator::at_most, 4},    OperatorInfo{">=", Operator::at_least, 4},
    OperatorInfo{"<", Operator::less, 4},        OperatorInfo{">", Operator::greater, 4},
    OperatorInfo{"in", Operator::in, 4},         OperatorInfo{"+", Operator::add, 5},
    OperatorInfo{"-", Operator::subtract, 5},    OperatorInfo{"*", Operator::multiply, 6},
    OperatorInfo{"/", Operator::divide, 6},      OperatorInfo{"%", Operator::remainder, 6},
};
constexpr int kNotPrecedence = 3;

bool begins_name(char c) {
    return is_ascii_letter(c) || c == '_';
}

bool is_of_name(char c) {
    return begins_name(c) || is_ascii_digit(c);
}

bool is_keyword(std::string_view word) {
    return word == "not" || word == "and" || word == "or" || word == "in";
}

std::int64_t arithmetic(Operator operation, std::int64_t a, std::int64_t b) {
    std::int64_t result = 0;
    bool overflows = false;
    switch (operation) {
        case Operator::add:
            overflows = __builtin_add_overflow(a, b, &result);
            break;
        case Operator::subtract:
            overflows = __builtin_sub_overflow(a, b, &result);
            break;
        case Operator::multiply:
            overflows = __builtin_mul_overflow(a, b, &result);
            break;
        default:
            if (b <= 0 || a < 0) throw Error(fmt::format("cannot divide {} by {}", a, b));
            return operation == Operator::divide ? a / b : a % b;
    }
    if (overflows) throw Error(fmt::format("a result with {} and {} is too large", a, b));
    return result;
}

std::int64_t binary(Operator operation, std::int64_t a, std::int64_t b) {
    switch (operation) {
        case Operator::equal:
            return a == b;
        case Operator::unequal:
            return a != b;
        case Operator::less:
            return a < b;
        case Operator::at_most:
            return a <= b;
        case Operator::greater:
            return a > b;
        case Operator::at_least:
            return a >= b;
        default:
            return arithmetic(operation, a, b);
    }
}

std::int64_t number_named(const std::string& name, const Values& values, const Placeholders& at) {
    for (const auto& [placeholder, number] : at) {
        if (placeholder == name) return static_cast<std::int64_t>(number);
    }
    const auto found = values.numbers.find(name);
    if (found == values.numbers.end()) throw Error(fmt::format("'{}' has no value", name));
    return found->second;
}

bool is_in(std::int64_t number, const std::string& list, const Values& values) {
    const auto found = values.lists.find(list);
    if (found == values.lists.end()) throw Error(fmt::format("list '{}' has no value", list));
    return contains(found->second, number);
}

}  // namespace

class Expression::Parser {
public:
    explicit Parser(std::string_view text) : text_(text), rest_(text) {}

    Node parse() {
        if (text_.size() > kMostCharacters) fail(fmt::format("it has more than {} characters", kMostCharacters));
        Node whole = expression(0);
        if (take(")")) fail("a ')' has no '('");
        if (!at_end()) fail_without_operator();
        return whole;
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw UsageError(fmt::format("expression '{}': {}", text_, what));
    }

    [[noreturn]] void fail_without_operator() const { fail(fmt::format("an operator is missing before '{}'", rest_)); }

    bool at_end() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
        return rest_.empty();
    }

    /// Removes this word or sign from the front, if it is there.
    bool take(std::string_view token) {
        if (at_end() || !rest_.starts_with(token)) return false;
        const bool is_word = begins_name(token.front());
        if (is_word && rest_.size() > token.size() && is_of_name(rest_[token.size()])) return false;
        rest_.remove_prefix(token.size());
        return true;
    }

    std::string take_while(bool (*belongs)(char)) {
        std::string taken;
        while (!rest_.empty() && belongs(rest_.front())) {
            taken += rest_.front();
            rest_.remove_prefix(1);
        }
        return taken;
    }

    std::string take_name() {
        if (at_end() || !begins_name(rest_.front())) return {};
        return take_while(is_of_name);
    }

    /// As far as operators bind at least this strongly.
    Node expression(int precedence) {
        Node left = operand();
        while (const OperatorInfo* found = take_operator(precedence)) {
            Node node{found->operation, 0, {}, {std::move(left)}};
            if (found->operation == Operator::in) {
                node.name = take_name();
                if (node.name.empty() || is_keyword(node.name)) fail("the name of a list is missing behind 'in'");
                const std::string_view behind = at_end() ? std::string_view() : rest_;
                if (take_operator(found->precedence + 1) != nullptr) {
                    fail(fmt::format("'in {}' cannot be part of '{}': put it in parentheses", node.name, behind));
                }
            } else {
                node.operands.push_back(expression(found->precedence + 1));
            }
            left = std::move(node);
        }
        return left;
    }

    /// Null, and nothing is taken, when none that binds so strongly comes next.
    const OperatorInfo* take_operator(int precedence) {
        const std::string_view before = rest_;
        const auto* found = std::ranges::find_if(kBinary, [&](const OperatorInfo& b) { return take(b.text); });
        if (found != kBinary.end() && found->precedence >= precedence) return found;
        rest_ = before;
        return nullptr;
    }

    Node operand() {
        if (take("(")) {
            Node inner = expression(0);
            if (at_end()) fail("a '(' has no ')'");
            if (!take(")")) fail_without_operator();
            return inner;
        }
        if (take("not")) return {Operator::logical_not, 0, {}, {expression(kNotPrecedence)}};
        if (!at_end() && is_ascii_digit(rest_.front())) return {Operator::number, literal(), {}, {}};
        const std::string name = take_name();
        if (name.empty() || is_keyword(name)) {
            fail(fmt::format("a number or a name is missing before '{}{}'", name, rest_));
        }
        return {Operator::name, 0, name, {}};
    }

    std::int64_t literal() {
        std::int64_t number = 0;
        for (const char c : take_while(is_ascii_digit)) {
            number = number * 10 + (c - '0');
            if (number > kLargestLiteral) fail("a number in it is too large");
        }
        return number;
    }

    std::string_view text_, rest_;
};

Expression::Expression(std::string_view text) : text_(text), root_(Parser(text).parse()) {}

std::int64_t Expression::Node::value(const Values& values, const Placeholders& at) const {
    const auto operand = [&](std::size_t i) { return operands[i].value(values, at); };
    if (operation == Operator::number) return number;
    if (operation == Operator::name) return number_named(name, values, at);
    if (operation == Operator::in) return is_in(operand(0), name, values);
    if (operation == Operator::logical_not) return operand(0) == 0;
    if (operation == Operator::logical_and) return operand(0) != 0 && operand(1) != 0;
    if (operation == Operator::logical_or) return operand(0) != 0 || operand(1) != 0;
    const std::int64_t left = operand(0);
    return binary(operation, left, operand(1));
}

std::int64_t Expression::value(const Values& values, const Placeholders& at) const {
    try {
        return root_.value(values, at);
    } catch (const Error& e) {
        throw Error(fmt::format("'{}': {}", text_, e.what()));
    }
}

void Expression::Node::inline_name(const std::string& inlined, const Node& meaning) {
    if (operation == Operator::name && name == inlined) {
        *this = meaning;
    } else {
        for (Node& operand : operands) operand.inline_name(inlined, meaning);
    }
}

std::size_t Expression::Node::count() const {
    return std::accumulate(operands.begin(), operands.end(), std::size_t{1},
                           [](std::size_t sum, const Node& operand) { return sum + operand.count(); });
}

void Expression::inline_name(const std::string& name, const Expression& meaning) {
    const auto times = static_cast<std::size_t>(std::ranges::count(numbers(), name));
    if (root_.count() + times * (meaning.root_.count() - 1) > kMostNodes)
        throw UsageError(fmt::format("expression '{}': too long with '{}'", text_, name));
    root_.inline_name(name, meaning.root_);
}

void Expression::Node::collect_names(Operator used_by, std::vector<std::string>& names) const {
    for (const Node& operand : operands) operand.collect_names(used_by, names);
    if (operation == used_by) names.push_back(name);
}

std::vector<std::string> Expression::numbers() const {
    std::vector<std::string> names;
    root_.collect_names(Operator::name, names);
    return names;
}

std::vector<std::string> Expression::lists() const {
    std::vector<std::string> names;
    root_.collect_names(Operator::in, names);
    return names;
}

}  // namespace unshard
