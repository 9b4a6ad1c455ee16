// Computes a shard's boxes from its placements as torch.distributed.tensor does (checked bit for bit against torch
// 2.13). Every mesh dimension that splits a tensor dimension leaves a rank one chunk of the rows that it had. E.g. 8
// rows with (Shard(0), Shard(0)) on a mesh (2, 2): rank (0, 1) has rows 0 to 3 after the first and rows 2 and 3 after
// the second.
//
// Mesh dimensions are applied left to right, except a _StridedShard whose split factor is the number of parts that
// later mesh dimensions make of the same tensor dimension: it is applied after these. E.g. (_StridedShard(0,
// split_factor=2), Shard(0)) gives rank (0, 1) rows 4 to 7 first and of these rows 4 and 5.
//
// A _StridedShard that alone splits its tensor dimension means something else: tensor parallelism of a weight that is
// several matrices, e.g. [gate; up] of transformers. It cuts the rows into `split_factor` pieces, and a rank has its
// part of each piece, concatenated. E.g. 8 rows with split_factor=2 on a mesh (2): rank 0 has rows 0, 1, 4 and 5.

#include "pieces.hpp"

#include "rows.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace unshard {
namespace {

/// Far more matrices than any model puts into one weight.
constexpr std::uint64_t kMostPieces = 4096;

bool splits(const Placement& p, std::uint32_t dim) {
    return (p.kind == PlacementKind::shard || p.kind == PlacementKind::strided_shard) && p.dim == dim;
}

/// Into how many parts the mesh dimensions after `m` split the tensor dimension that `m` splits.
std::uint64_t parts_behind(const Dims& mesh, const std::vector<Placement>& placements, std::size_t m) {
    std::uint64_t parts = 1;
    for (std::size_t later = m + 1; later < placements.size(); ++later) {
        if (splits(placements[later], placements[m].dim)) parts = checked_mul(parts, mesh[later]);
    }
    return parts;
}

bool is_alone(const Dims& mesh, const std::vector<Placement>& placements, std::size_t m) {
    for (std::size_t other = 0; other < placements.size(); ++other) {
        if (other != m && mesh[other] != 1 && splits(placements[other], placements[m].dim)) return false;
    }
    return true;
}

/// The rows of tensor dimension `dim`, `size` long, that the rank at coordinate `at` has.
Rows rows_of(std::uint64_t size, std::uint32_t dim, const Dims& mesh, const Dims& at,
             const std::vector<Placement>& placements) {
    Rows rows{{0, size}};
    std::vector<std::size_t> deferred;
    for (std::size_t m = 0; m < placements.size(); ++m) {
        if (!splits(placements[m], dim)) continue;
        const std::uint64_t factor = placements[m].split_factor, behind = parts_behind(mesh, placements, m);
        if (placements[m].kind == PlacementKind::shard) {
            rows = chunk(rows, mesh[m], at[m]);
        } else if (factor == behind) {
            deferred.push_back(m);
        } else if (is_alone(mesh, placements, m) && factor <= kMostPieces) {
            rows = chunk_of_each(rows, factor, mesh[m], at[m]);
        } else {
            throw Error(
                fmt::format("_StridedShard has split factor {}, the mesh dimensions behind it make {} parts: this "
                            "layout is not supported: save it on a mesh that splits dimension {} once",
                            factor, behind, dim));
        }
    }
    std::ranges::reverse(deferred);
    for (const std::size_t m : deferred) rows = chunk(rows, mesh[m], at[m]);
    return rows;
}

/// Every combination of the dimensions' ranges, in the order in which the shard has them.
std::vector<Piece> combine(const std::array<Rows, kMaxDims>& rows, const Shard& shard) {
    std::vector<Piece> pieces{{}};
    for (std::size_t dim = 0; dim < shard.spec->shape.rank(); ++dim) {
        if (rows[dim].size() > kMostPieces / pieces.size()) throw Error("it lies in too many pieces");
        std::vector<Piece> longer;
        for (const Piece& piece : pieces) {
            std::uint64_t before = 0;
            for (const Range& range : rows[dim]) {
                Piece next = piece;
                next.box.origin.push_back(range.begin);
                next.box.extent.push_back(range.size());
                next.skipped = checked_add(next.skipped, checked_mul(before, shard.spec->stride[dim]));
                before += range.size();
                longer.push_back(next);
            }
        }
        pieces = std::move(longer);
    }
    return pieces;
}

std::vector<Piece> by_placements(const SourceTensor& tensor, const Shard& shard, const Mesh& mesh, const Dims& at) {
    if (!tensor.shape) throw Error("has placements but no global shape");
    std::array<Rows, kMaxDims> rows;
    Dims expected;
    for (std::uint32_t dim = 0; dim < tensor.shape->rank(); ++dim) {
        rows[dim] = rows_of((*tensor.shape)[dim], dim, mesh.shape, at, shard.spec->placements);
        expected.push_back(count(rows[dim]));
    }
    // An empty shard may have another empty shape than its placements give: FSDP saves (0, 0) where tensor parallelism
    // leaves a rank (1, 0).
    if (expected.numel() == 0 && shard.spec->shape.numel() == 0) return {};
    if (expected == shard.spec->shape) return combine(rows, shard);
    throw Error(fmt::format(
        "rank {} holds {}, its placements on the mesh {} give {} of {}: the file is damaged, or of a PyTorch version "
        "that split otherwise",
        shard.rank, to_string(shard.spec->shape), to_string(mesh.shape), to_string(expected),
        to_string(*tensor.shape)));
}

}  // namespace

Dims coordinate_of(const SourceTensor& tensor, const Shard& shard, const std::vector<Mesh>& meshes) {
    const Mesh& mesh = meshes.at(*shard.spec->mesh);
    if (std::optional<Dims> coordinate = coordinate_of(mesh, shard.rank)) return *std::move(coordinate);
    throw Error(fmt::format(
        "'{}': rank {} saved a piece on a mesh {} that it is not part of: rank files of different runs are mixed",
        tensor.name, shard.rank, to_string(mesh.shape)));
}

std::vector<Piece> pieces_of(const SourceTensor& tensor, const Shard& shard, const std::vector<Mesh>& meshes) {
    if (shard.spec->origin) return {{{*shard.spec->origin, shard.spec->shape}, 0}};
    if (!shard.spec->mesh) return {{Box::whole(shard.spec->shape), 0}};
    const Dims at = coordinate_of(tensor, shard, meshes);
    try {
        return by_placements(tensor, shard, meshes[*shard.spec->mesh], at);
    } catch (const Error& e) {
        throw Error(fmt::format("'{}': {}", tensor.name, e.what()));
    }
}

}  // namespace unshard
