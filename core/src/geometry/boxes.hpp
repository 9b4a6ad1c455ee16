// Boxes and flat row-major positions.
#pragma once

#include "unshard/dims.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace unshard {

/// The row-major position of a point in an array of these strides.
std::uint64_t position_of(const Dims& point, const Dims& strides);

/// What two boxes of the same rank have in common, if anything.
std::optional<Box> intersection(const Box& a, const Box& b);

/// Elements [first, first + count) of a row-major array, as boxes in order: at most 2 * rank - 1 of them.
std::vector<Box> boxes_of_range(const Dims& dims, std::uint64_t first, std::uint64_t count);

/// The numbers of two boxes that share elements, if there are any. Boxes are of one rank and none is empty. Fast for
/// many boxes: sweeps along the axis on which most of them are apart.
std::optional<std::pair<std::size_t, std::size_t>> find_overlap(const std::vector<Box>& boxes);

}  // namespace unshard
