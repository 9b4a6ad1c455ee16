// "Did you mean ...?"
#pragma once

#include "unshard/tools/edit_distance.hpp"
#include "unshard/tools/name_list.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

namespace unshard {

/// What to say behind an unknown name: "did you mean 'path'?" when a known one is near, else "known are a, b, c".
inline std::string suggestion(std::string_view wrong, std::span<const std::string> known) {
    constexpr std::size_t kLongestName = 100;  // nobody mistypes more, and the work grows with the square
    if (known.empty()) return "none is known here";
    const std::string_view word = wrong.substr(0, kLongestName);
    const auto nearest = std::min_element(known.begin(), known.end(), [&](const std::string& a, const std::string& b) {
        return edit_distance(word, a) < edit_distance(word, b);
    });
    const std::size_t near_enough = std::max<std::size_t>(1, std::min(word.size(), nearest->size()) / 3);
    if (edit_distance(word, *nearest) <= near_enough) return "did you mean '" + *nearest + "'?";
    return "known are " + some_of(known, known.size());
}

}  // namespace unshard
