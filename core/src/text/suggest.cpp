#include "text/suggest.hpp"

#include "unshard/tools/edit_distance.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace unshard {
namespace {

constexpr std::size_t kLongestName = 100;  // nobody mistypes more, and the work grows with the square

}  // namespace

std::string suggestion(std::string_view wrong, std::span<const std::string> known) {
    if (known.empty()) return "none is known here";
    const std::string_view word = wrong.substr(0, kLongestName);
    const auto nearest = std::min_element(known.begin(), known.end(), [&](const std::string& a, const std::string& b) {
        return edit_distance(word, a) < edit_distance(word, b);
    });
    const std::size_t near_enough = std::max<std::size_t>(1, std::min(word.size(), nearest->size()) / 3);
    if (edit_distance(word, *nearest) <= near_enough) return fmt::format("did you mean '{}'?", *nearest);
    return fmt::format("known are {}", fmt::join(known, ", "));
}

}  // namespace unshard
