// Which rows of a whole tensor a rank holds, along the dimension that is split.
#pragma once

#include "models/whole_tensor.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace unshard {

/// Rows that are contiguous both in a rank's part and in the whole tensor.
struct Run {
    std::size_t section = 0;   ///< of the whole tensor
    std::uint64_t source = 0;  ///< first row in the rank's part
    std::uint64_t target = 0;  ///< first row in the section
    std::uint64_t count = 0;   ///< rows
    friend bool operator==(const Run&, const Run&) = default;
};

/// The position of a rank among the ranks that share a tensor, and how many rows it holds.
struct Share {
    std::uint64_t rank = 0;
    std::uint64_t ranks = 1;
    std::uint64_t rows = 0;
};

/// The runs, in the order of the rank's part. Throws Error when no layout that the rule allows has so many rows.
std::vector<Run> runs_of(const WholeTensor& whole, const Share& share);

}  // namespace unshard
