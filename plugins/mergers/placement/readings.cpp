// FSDP splits what tensor parallelism has left to a rank, chunk within chunk. distribute_tensor (torch 2.13) goes left
// to right: a _StridedShard cuts the rows into `split_factor` chunks, each of them into one chunk for each rank, and
// what a rank gets of all of them is split further, as if it lay together. Both agree when everything divides, and when
// one mesh dimension follows the strided one, as far as the ranks' numbers of rows agree (tried for all sizes below 50
// and meshes up to 5 x 5 x 5). With two behind it, uneven splits can have the same shapes and other rows: 9 rows on
// (2, 2, 3) are such a case.

#include "readings.hpp"

#include "rows.hpp"

#include <algorithm>
#include <span>

namespace unshard {
namespace {

/// The work grows with the square; no tensor dimension is split so often.
constexpr std::uint64_t kMostParts = 4096;

/// A mesh dimension that splits the tensor dimension.
struct Split {
    std::uint64_t parts = 1;
    std::uint64_t factor = 0;  ///< 0: not strided
};

Rows left_to_right(std::uint64_t size, std::span<const Split> splits, const Dims& at) {
    Rows rows{{0, size}};
    for (std::size_t i = 0; i < splits.size(); ++i) {
        const Split& split = splits[i];
        rows =
            split.factor == 0 ? chunk(rows, split.parts, at[i]) : chunk_of_each(rows, split.factor, split.parts, at[i]);
    }
    return rows;
}

Rows within_each_other(std::uint64_t size, std::span<const Split> splits, const Dims& at) {
    Rows rows{{0, size}};
    for (std::size_t i = 0; i < splits.size(); ++i) {
        if (splits[i].factor == 0) rows = chunk(rows, splits[i].parts, at[i]);
    }
    for (std::size_t i = splits.size(); i-- > 0;) {
        if (splits[i].factor != 0) rows = chunk(rows, splits[i].parts, at[i]);
    }
    return rows;
}

}  // namespace

bool has_two_readings(std::uint64_t size, std::uint32_t dim, const Dims& mesh,
                      const std::vector<Placement>& placements) {
    std::vector<Split> splits;
    Dims parts;
    for (std::size_t m = 0; m < placements.size(); ++m) {
        const Placement& p = placements[m];
        const bool is_strided = p.kind == PlacementKind::strided_shard;
        if (p.dim != dim || mesh[m] == 1 || (!is_strided && p.kind != PlacementKind::shard)) continue;
        splits.push_back({mesh[m], is_strided ? p.split_factor : 0});
        parts.push_back(mesh[m]);
    }
    const auto is_strided = [](const Split& split) { return split.factor != 0; };
    if (splits.size() < 3 || std::none_of(splits.begin(), splits.end(), is_strided)) return false;
    const std::uint64_t all = parts.numel();
    if (size % all == 0) return false;
    if (all > kMostParts) return true;
    bool differs = false;
    for (std::uint64_t position = 0; position < all; ++position) {
        Dims at = Dims::filled(parts.rank(), 0);
        std::uint64_t rest = position;
        for (std::size_t i = parts.rank(); i-- > 0; rest /= parts[i]) at[i] = rest % parts[i];
        const Rows one = left_to_right(size, splits, at), other = within_each_other(size, splits, at);
        if (count(one) != count(other)) return false;  // the shapes tell
        differs = differs || one != other;
    }
    return differs;
}

}  // namespace unshard
