// DCP computes a chunk's box from placements. FSDP2 of PyTorch 2.3 states (Shard(0), Shard(0)) where it splits what
// tensor parallelism left, and the box is computed as if it were the other way round (pytorch#129229). Rank (i, j) of a
// mesh (F, T) is then noted at the rows of part i * T + j, and holds those of chunk i of chunk j. Where a dimension
// does not divide, the number of rows differs for most ranks; the stored chunk would contradict its box, and is refused
// elsewhere.

#include "split_order.hpp"

#include "unshard/tools/chunk.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace unshard::dcp {
namespace {

using torch::SplitOrder;

/// How many chunks lie along dimensions 0 and 1.
using Grid = std::pair<std::uint64_t, std::uint64_t>;

std::size_t distinct_origins(const Tensor& tensor, std::size_t dim) {
    std::set<std::uint64_t> origins;
    for (const Chunk& c : tensor.chunks) origins.insert(c.box.origin[dim]);
    return origins.size();
}

/// The grids that tensors are split on in both of their first dimensions.
std::set<Grid> grids_of(const std::vector<Tensor>& tensors) {
    std::set<Grid> grids;
    for (const Tensor& t : tensors) {
        if (t.shape.rank() < 2 || t.chunks.size() < 4) continue;
        const Grid grid{distinct_origins(t, 0), distinct_origins(t, 1)};
        if (grid.first > 1 && grid.second > 1 && grid.first * grid.second == t.chunks.size()) grids.insert(grid);
    }
    return grids;
}

/// A chunk, and the rows that it holds if FSDP came second.
struct Move {
    std::size_t chunk = 0;
    Range rows;
};

/// What both orders make of one tensor: nothing when it is not split along dimension 0 by both mesh dimensions.
std::vector<Move> moves_of(const Tensor& tensor, const Grid& grid) {
    std::map<std::uint64_t, std::size_t> by_row;
    for (std::size_t c = 0; c < tensor.chunks.size(); ++c) {
        const Box& box = tensor.chunks[c].box;
        for (std::size_t dim = 1; dim < tensor.shape.rank(); ++dim) {
            if (box.extent[dim] != tensor.shape[dim]) return {};
        }
        by_row.emplace(box.origin[0], c);
    }
    std::vector<Move> moves;
    const Range all{0, tensor.shape[0]};
    for (std::uint64_t i = 0; i < grid.first; ++i) {
        for (std::uint64_t j = 0; j < grid.second; ++j) {
            const Range noted = chunk_of(chunk_of(all, grid.first, i), grid.second, j);
            if (noted.size() == 0) continue;
            const auto found = by_row.find(noted.begin);
            if (found == by_row.end() || tensor.chunks[found->second].box.extent[0] != noted.size()) return {};
            moves.push_back({found->second, chunk_of(chunk_of(all, grid.second, j), grid.first, i)});
        }
    }
    return moves.size() == tensor.chunks.size() ? moves : std::vector<Move>();
}

bool fits(const Tensor& tensor, const std::vector<Move>& moves) {
    return std::ranges::all_of(moves,
                               [&](const Move& m) { return tensor.chunks[m.chunk].box.extent[0] == m.rows.size(); });
}

}  // namespace

void settle_split_order(std::vector<Tensor>& tensors, std::optional<SplitOrder> stated) {
    const std::set<Grid> grids = grids_of(tensors);
    std::vector<std::pair<Tensor*, std::vector<Move>>> split;
    bool inner_first_fits = true;
    for (const Grid& grid : grids) {
        for (Tensor& tensor : tensors) {
            if (tensor.shape.empty() || tensor.chunks.size() < 2) continue;
            std::vector<Move> moves = moves_of(tensor, grid);
            if (moves.size() < 2) continue;
            inner_first_fits = inner_first_fits && fits(tensor, moves);
            split.emplace_back(&tensor, std::move(moves));
        }
    }
    if (split.empty()) return;
    if (!stated && inner_first_fits) torch::refuse_unknown_order(split.front().first->key, 0);
    if (stated != SplitOrder::inner_first) return;
    if (!inner_first_fits || grids.size() > 1) {
        throw Error(
            fmt::format("'{}': option 'split_order' says inner_first, which the chunks of the checkpoint do not fit",
                        split.front().first->key));
    }
    for (auto& [tensor, moves] : split) {
        for (const Move& move : moves) tensor->chunks[move.chunk].box.origin[0] = move.rows.begin;
    }
}

}  // namespace unshard::dcp
