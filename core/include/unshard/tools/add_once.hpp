#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace unshard {

/// Puts an item at the end of a list in which it is not yet. Returns its index.
template <class Item>
std::uint32_t add_once(std::vector<Item>& list, const Item& item) {
    const auto found = std::find(list.begin(), list.end(), item);
    const auto index = static_cast<std::uint32_t>(found - list.begin());
    if (found == list.end()) list.push_back(item);
    return index;
}

}  // namespace unshard
