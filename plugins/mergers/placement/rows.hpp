// Rows of a tensor dimension, and how PyTorch splits them.
#pragma once

#include "unshard/tools/chunk.hpp"

#include <cstdint>
#include <vector>

namespace unshard {

/// Rows in the order in which a rank holds them; neighbours are one range.
using Rows = std::vector<Range>;

std::uint64_t count(const Rows& rows);

/// `chunk_of` for rows that are in several ranges.
Rows chunk(const Rows& rows, std::uint64_t parts, std::uint64_t part);

/// What a _StridedShard alone gives a rank: the rows are cut into `factor` chunks, and it gets its chunk of each.
Rows chunk_of_each(const Rows& rows, std::uint64_t factor, std::uint64_t parts, std::uint64_t part);

}  // namespace unshard
