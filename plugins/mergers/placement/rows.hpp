// Rows of a tensor dimension, and how PyTorch splits them.
#pragma once

#include <cstdint>
#include <vector>

namespace unshard {

struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    friend bool operator==(const Range&, const Range&) = default;
};

/// Rows in the order in which a rank holds them; neighbours are one range.
using Rows = std::vector<Range>;

std::uint64_t count(const Rows& rows);

/// The `part`-th of `parts` chunks by the rule of torch.chunk: of ceil(n / parts) rows, the last one shorter, further
/// ones empty.
Rows chunk(const Rows& rows, std::uint64_t parts, std::uint64_t part);

/// What a _StridedShard alone gives a rank: the rows are cut into `factor` chunks, and it gets its chunk of each.
Rows chunk_of_each(const Rows& rows, std::uint64_t factor, std::uint64_t parts, std::uint64_t part);

}  // namespace unshard
