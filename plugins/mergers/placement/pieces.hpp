// The parts of a tensor that a shard holds.
#pragma once

#include "unshard/index.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace unshard {

/// A box of the tensor, and where in the shard it begins. Most shards are one piece.
struct Piece {
    Box box;
    std::uint64_t skipped = 0;  ///< elements of the shard before it
};

/// Where the shard's rank is in the shard's mesh. Throws Error when it is not in it.
Dims coordinate_of(const SourceTensor& tensor, const Shard& shard, const std::vector<Mesh>& meshes);

/// The boxes of `tensor` that the shard holds: by its origin or its placements; a plain shard holds the whole tensor.
/// Throws Error when the shard's shape is not the one that its placements give.
std::vector<Piece> pieces_of(const SourceTensor& tensor, const Shard& shard, const std::vector<Mesh>& meshes);

}  // namespace unshard
