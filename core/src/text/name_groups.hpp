// Thousands of tensor names as a few lines: 'model.layers.{0..27}.mlp.up_proj.weight'.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace unshard {

struct NamedItem {
    std::string name;
    std::string kind;  ///< only items of one kind come together
};

struct NameGroup {
    std::string name;                  ///< numbers that differ as {0..27} or {0,2,4..7}
    std::vector<std::size_t> members;  ///< ascending
};

/// Groups items whose names differ in numbers alone and take every combination of them. In the order of first members.
std::vector<NameGroup> group_names(const std::vector<NamedItem>& items);

}  // namespace unshard
