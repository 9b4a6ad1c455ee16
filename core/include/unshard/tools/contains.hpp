#pragma once

#include <algorithm>
#include <iterator>

namespace unshard {

/// std::ranges::contains, which comes with C++23.
template <class Range, class Value>
bool contains(const Range& range, const Value& value) {
    return std::find(std::begin(range), std::end(range), value) != std::end(range);
}

}  // namespace unshard
