// PyTorch has two rules for (.., _StridedShard, .., Shard) on one tensor dimension:
//     FSDP                nested: the mesh dimensions after the strided one split first, the strided one then splits
//                         what they left to a rank
//     distribute_tensor   left to right (torch 2.13): a _StridedShard cuts the rows into `split_factor` chunks and
//                         gives a rank its part of each; later mesh dimensions split what a rank has of all chunks
// Both give the same rows when the mesh divides the rows evenly. When it does not, and one mesh dimension follows the
// strided one, they still give the same rows wherever every rank gets as many by both (tried for all sizes below 50 and
// meshes up to 5 x 5 x 5). With two behind it, the numbers of rows can be the same and the rows others: 9 rows on a
// mesh (2, 2, 3) are such a case.

#include "ambiguous_split.hpp"

#include "rows.hpp"

#include <algorithm>
#include <span>

namespace unshard {
namespace {

/// A limit, since the work grows with its square. No tensor dimension is split into so many parts.
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

Rows nested(std::uint64_t size, std::span<const Split> splits, const Dims& at) {
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

bool is_ambiguous_split(std::uint64_t size, std::uint32_t dim, const Dims& mesh,
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
        const Rows one = left_to_right(size, splits, at), other = nested(size, splits, at);
        if (count(one) != count(other)) return false;  // the shapes show which it was
        differs = differs || one != other;
    }
    return differs;
}

}  // namespace unshard
