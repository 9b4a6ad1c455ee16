#include "text/suggest.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace unshard {
namespace {

/// How many letters must be inserted, removed, replaced or swapped with their neighbour to turn one word into the
/// other.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before, last(b.size() + 1), now(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        now[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
            const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped) now[j] = std::min(now[j], before[j - 2] + 1);
        }
        before = last;
        last = now;
    }
    return last.back();
}

constexpr std::size_t kLongestName = 100;  // nobody mistypes more, and the work grows with the square

}  // namespace

std::string suggestion(std::string_view wrong, std::span<const std::string> known) {
    if (known.empty()) return "none is known here";
    const std::string_view word = wrong.substr(0, kLongestName);
    const auto nearest = std::min_element(known.begin(), known.end(), [&](const std::string& a, const std::string& b) {
        return distance(word, a) < distance(word, b);
    });
    const std::size_t near_enough = std::max<std::size_t>(1, std::min(word.size(), nearest->size()) / 3);
    if (distance(word, *nearest) <= near_enough) return fmt::format("did you mean '{}'?", *nearest);
    return fmt::format("known are {}", fmt::join(known, ", "));
}

}  // namespace unshard
