// DCP computes a chunk's box from its placements. FSDP2 of PyTorch 2.3 states (Shard(0), Shard(0)) although tensor
// parallelism, the second of them, split first, so that the boxes are wrong (pytorch#129229). On a mesh (F, T) rank (i,
// j) has the box of part i * T + j, and holds chunk i of chunk j. E.g. with 8 rows on (2, 2), rank (0, 1) has the box
// of rows 2 and 3, and holds rows 4 and 5.
//
// Where the number of rows cannot be divided by F * T, most ranks hold another number of rows than their boxes have;
// then the reader refuses the chunk itself.

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

/// The number of chunks along dimensions 0 and 1.
using Grid = std::pair<std::uint64_t, std::uint64_t>;

std::size_t distinct_origins(const Tensor& tensor, std::size_t dim) {
    std::set<std::uint64_t> origins;
    for (const Chunk& c : tensor.chunks) origins.insert(c.box.origin[dim]);
    return origins.size();
}

/// The grids of all tensors that are split along both of their first dimensions.
std::set<Grid> grids_of(const std::vector<Tensor>& tensors) {
    std::set<Grid> grids;
    for (const Tensor& t : tensors) {
        if (t.shape.rank() < 2 || t.chunks.size() < 4) continue;
        const Grid grid{distinct_origins(t, 0), distinct_origins(t, 1)};
        if (grid.first > 1 && grid.second > 1 && grid.first * grid.second == t.chunks.size()) grids.insert(grid);
    }
    return grids;
}

/// A chunk, and the rows that it holds if tensor parallelism split first.
struct HeldRows {
    std::size_t chunk = 0;
    Range rows;
};

/// The rows that each chunk holds by inner_first. Empty unless the boxes are those of a tensor of which both mesh
/// dimensions split dimension 0.
std::vector<HeldRows> inner_first_rows(const Tensor& tensor, const Grid& grid) {
    std::map<std::uint64_t, std::size_t> by_row;
    for (std::size_t c = 0; c < tensor.chunks.size(); ++c) {
        const Box& box = tensor.chunks[c].box;
        for (std::size_t dim = 1; dim < tensor.shape.rank(); ++dim) {
            if (box.extent[dim] != tensor.shape[dim]) return {};
        }
        by_row.emplace(box.origin[0], c);
    }
    std::vector<HeldRows> held;
    const Range all{0, tensor.shape[0]};
    for (std::uint64_t i = 0; i < grid.first; ++i) {
        for (std::uint64_t j = 0; j < grid.second; ++j) {
            const Range stated_box = chunk_of(chunk_of(all, grid.first, i), grid.second, j);
            if (stated_box.size() == 0) continue;
            const auto found = by_row.find(stated_box.begin);
            if (found == by_row.end() || tensor.chunks[found->second].box.extent[0] != stated_box.size()) return {};
            held.push_back({found->second, chunk_of(chunk_of(all, grid.second, j), grid.first, i)});
        }
    }
    return held.size() == tensor.chunks.size() ? held : std::vector<HeldRows>();
}

bool fits(const Tensor& tensor, const std::vector<HeldRows>& held) {
    return std::ranges::all_of(
        held, [&](const HeldRows& h) { return tensor.chunks[h.chunk].box.extent[0] == h.rows.size(); });
}

}  // namespace

void settle_split_order(std::vector<Tensor>& tensors, std::optional<SplitOrder> stated) {
    const std::set<Grid> grids = grids_of(tensors);
    std::vector<std::pair<Tensor*, std::vector<HeldRows>>> split;
    bool inner_first_fits = true;
    for (const Grid& grid : grids) {
        for (Tensor& tensor : tensors) {
            if (tensor.shape.empty() || tensor.chunks.size() < 2) continue;
            std::vector<HeldRows> held = inner_first_rows(tensor, grid);
            if (held.size() < 2) continue;
            inner_first_fits = inner_first_fits && fits(tensor, held);
            split.emplace_back(&tensor, std::move(held));
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
    for (auto& [tensor, held] : split) {
        for (const HeldRows& h : held) tensor->chunks[h.chunk].box.origin[0] = h.rows.begin;
    }
}

}  // namespace unshard::dcp
