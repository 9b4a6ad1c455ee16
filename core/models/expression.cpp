// Parsed once by operator precedence into postfix steps ("shunting yard"), evaluated on a stack: no recursion, and the
// cap on the text's length bounds both.

#include "models/expression.hpp"

#include "unshard/tools/error.hpp"

#include <algorithm>
#include <array>

namespace unshard {
namespace {

constexpr std::size_t kMostCharacters = 256;
constexpr std::size_t kMostSteps = 1024;
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

int precedence(Operator operation) {
    if (operation == Operator::open) return 0;
    if (operation == Operator::logical_not) return kNotPrecedence;
    return std::find_if(kBinary.begin(), kBinary.end(), [&](const auto& b) { return b.operation == operation; })
        ->precedence;
}

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
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
            if (b <= 0 || a < 0) throw Error("cannot divide " + std::to_string(a) + " by " + std::to_string(b));
            return operation == Operator::divide ? a / b : a % b;
    }
    if (overflows) throw Error("a result with " + std::to_string(a) + " and " + std::to_string(b) + " is too large");
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
        case Operator::logical_and:
            return a != 0 && b != 0;
        case Operator::logical_or:
            return a != 0 || b != 0;
        default:
            return arithmetic(operation, a, b);
    }
}

std::int64_t number_named(const std::string& name, const Values& values, const Placeholders& at) {
    for (const auto& [placeholder, number] : at) {
        if (placeholder == name) return static_cast<std::int64_t>(number);
    }
    const auto found = values.numbers.find(name);
    if (found == values.numbers.end()) throw Error("'" + name + "' has no value");
    return found->second;
}

bool is_in(std::int64_t number, const std::string& list, const Values& values) {
    const auto found = values.lists.find(list);
    if (found == values.lists.end()) throw Error("list '" + list + "' has no value");
    return std::find(found->second.begin(), found->second.end(), number) != found->second.end();
}

}  // namespace

class Expression::Parser {
public:
    Parser(std::string_view text, std::vector<Step>& steps) : text_(text), rest_(text), steps_(steps) {}

    void parse() {
        if (text_.size() > kMostCharacters) fail("it has more than " + std::to_string(kMostCharacters) + " characters");
        bool operand_is_due = true;
        while (operand_is_due || !at_end()) {
            if (operand_is_due) {
                take_operand();
                operand_is_due = false;
            } else if (take(")")) {
                close();
            } else {
                operand_is_due = take_operator();
            }
        }
        while (!waiting_.empty()) {
            if (waiting_.back() == Operator::open) fail("a '(' has no ')'");
            emit_waiting();
        }
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        throw UsageError("expression '" + std::string(text_) + "': " + what);
    }

    bool at_end() {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
        return rest_.empty();
    }

    /// Removes this word or sign from the front, if it is there.
    bool take(std::string_view token) {
        if (at_end() || !rest_.starts_with(token)) return false;
        const bool is_word = is_letter(token.front());
        if (is_word && rest_.size() > token.size() && (is_letter(rest_[token.size()]) || is_digit(rest_[token.size()])))
            return false;
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
        if (at_end() || !is_letter(rest_.front())) return {};
        return take_while([](char c) { return is_letter(c) || is_digit(c); });
    }

    void take_operand() {
        while (true) {
            if (take("(")) {
                waiting_.push_back(Operator::open);
            } else if (take("not")) {
                waiting_.push_back(Operator::logical_not);
            } else {
                break;
            }
        }
        if (!at_end() && is_digit(rest_.front())) {
            take_literal();
            return;
        }
        const std::string name = take_name();
        if (name.empty() || is_keyword(name)) {
            fail("a number or a name is missing before '" + name + std::string(rest_) + "'");
        }
        steps_.push_back({Step::Kind::name, 0, name, {}});
    }

    void take_literal() {
        std::int64_t number = 0;
        for (const char c : take_while(is_digit)) {
            number = number * 10 + (c - '0');
            if (number > kLargestLiteral) fail("a number in it is too large");
        }
        steps_.push_back({Step::Kind::number, number, {}, {}});
    }

    /// Whether an operand must follow: not behind `in` and its list.
    bool take_operator() {
        const OperatorInfo* const found =
            std::find_if(kBinary.begin(), kBinary.end(), [&](const auto& b) { return take(b.text); });
        if (found == kBinary.end()) fail("an operator is missing before '" + std::string(rest_) + "'");
        while (!waiting_.empty() && precedence(waiting_.back()) >= found->precedence) emit_waiting();
        if (found->operation != Operator::in) {
            waiting_.push_back(found->operation);
            return true;
        }
        const std::string list = take_name();
        if (list.empty() || is_keyword(list)) fail("the name of a list is missing behind 'in'");
        steps_.push_back({Step::Kind::operation, 0, list, Operator::in});
        return false;
    }

    void close() {
        while (!waiting_.empty() && waiting_.back() != Operator::open) emit_waiting();
        if (waiting_.empty()) fail("a ')' has no '('");
        waiting_.pop_back();
    }

    void emit_waiting() {
        steps_.push_back({Step::Kind::operation, 0, {}, waiting_.back()});
        waiting_.pop_back();
    }

    std::string_view text_, rest_;
    std::vector<Step>& steps_;
    std::vector<Operator> waiting_;
};

Expression::Expression(std::string_view text) : text_(text) {
    Parser(text_, steps_).parse();
}

std::int64_t Expression::value(const Values& values, const Placeholders& at) const {
    std::vector<std::int64_t> stack;
    const auto pop = [&] {
        const std::int64_t top = stack.back();
        stack.pop_back();
        return top;
    };
    try {
        for (const Step& step : steps_) {
            if (step.kind == Step::Kind::number) {
                stack.push_back(step.number);
            } else if (step.kind == Step::Kind::name) {
                stack.push_back(number_named(step.name, values, at));
            } else if (step.operation == Operator::in) {
                stack.back() = is_in(stack.back(), step.name, values);
            } else if (step.operation == Operator::logical_not) {
                stack.back() = stack.back() == 0;
            } else {
                const std::int64_t right = pop();
                stack.back() = binary(step.operation, stack.back(), right);
            }
        }
    } catch (const Error& e) {
        throw Error("'" + text_ + "': " + e.what());
    }
    return stack.back();
}

void Expression::inline_name(const std::string& name, const Expression& meaning) {
    std::vector<Step> steps;
    for (const Step& step : steps_) {
        if (step.kind == Step::Kind::name && step.name == name) {
            steps.insert(steps.end(), meaning.steps_.begin(), meaning.steps_.end());
        } else {
            steps.push_back(step);
        }
        if (steps.size() > kMostSteps) throw UsageError("expression '" + text_ + "': too long with '" + name + "'");
    }
    steps_ = std::move(steps);
}

std::vector<std::string> Expression::numbers() const {
    std::vector<std::string> names;
    for (const Step& step : steps_) {
        if (step.kind == Step::Kind::name) names.push_back(step.name);
    }
    return names;
}

std::vector<std::string> Expression::lists() const {
    std::vector<std::string> names;
    for (const Step& step : steps_) {
        if (step.kind == Step::Kind::operation && step.operation == Operator::in) names.push_back(step.name);
    }
    return names;
}

}  // namespace unshard
