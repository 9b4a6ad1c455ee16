#include "models/name_pattern.hpp"

#include "unshard/tools/ascii.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {
namespace {

constexpr std::size_t kMostDigits = 9;

/// Removes a number from the front of `rest` and returns it.
std::optional<std::uint64_t> take_number(std::string_view& rest) {
    std::size_t digits = 0;
    std::uint64_t number = 0;
    while (digits < rest.size() && is_ascii_digit(rest[digits]) && digits <= kMostDigits) {
        number = number * 10 + static_cast<std::uint64_t>(rest[digits] - '0');
        ++digits;
    }
    const bool has_leading_zero = digits > 1 && rest.front() == '0';
    if (digits == 0 || digits > kMostDigits || has_leading_zero) return std::nullopt;
    rest.remove_prefix(digits);
    return number;
}

}  // namespace

NamePattern::NamePattern(std::string_view text) : text_(text) {
    const auto fail = [&](const std::string& what) { throw UsageError(fmt::format("name '{}': {}", text_, what)); };
    if (text.empty()) fail("it is empty");
    while (true) {
        const std::size_t open = text.find_first_of("{}");
        const std::string literal(text.substr(0, open));
        // Without a separator it would not be clear where one number ends and what follows begins.
        const bool is_ambiguous = literal.empty() ? open != std::string_view::npos : is_ascii_digit(literal.front());
        if (!literals_.empty() && is_ambiguous) fail("a placeholder must be followed by something that is not a digit");
        literals_.push_back(literal);
        if (open == std::string_view::npos) return;
        const std::size_t close = text.find('}', open);
        if (text[open] == '}' || close == std::string_view::npos) fail("a brace has no partner");
        const std::string placeholder(text.substr(open + 1, close - open - 1));
        if (placeholder.empty() || placeholder.find('{') != std::string::npos) fail("a placeholder has no proper name");
        if (contains(placeholders_, placeholder)) {
            fail("'{" + placeholder + "}' stands in it twice");
        }
        placeholders_.push_back(placeholder);
        text.remove_prefix(close + 1);
    }
}

std::optional<Placeholders> NamePattern::match(std::string_view name) const {
    std::optional<Placeholders> found = match_front(name);
    return name.empty() ? found : std::nullopt;
}

std::optional<Placeholders> NamePattern::match_front(std::string_view& name) const {
    Placeholders found;
    for (std::size_t i = 0; i < literals_.size(); ++i) {
        if (!name.starts_with(literals_[i])) return std::nullopt;
        name.remove_prefix(literals_[i].size());
        if (i == placeholders_.size()) break;
        const std::optional<std::uint64_t> number = take_number(name);
        if (!number) return std::nullopt;
        found.emplace_back(placeholders_[i], *number);
    }
    return found;
}

std::string NamePattern::fill(const Placeholders& at) const {
    std::string name = literals_.front();
    for (std::size_t i = 0; i < placeholders_.size(); ++i) {
        const auto number =
            std::find_if(at.begin(), at.end(), [&](const auto& p) { return p.first == placeholders_[i]; });
        if (number == at.end()) throw Error(fmt::format("name '{}': no number for '{{{}}}'", text_, placeholders_[i]));
        name += std::to_string(number->second) + literals_[i + 1];
    }
    return name;
}

}  // namespace unshard
