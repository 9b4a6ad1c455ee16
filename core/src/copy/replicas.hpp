// Pieces that should hold the same bits.
#pragma once

#include "geometry/lower.hpp"
#include "unshard/index.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace unshard {

/// Names both ranks, the first element that differs, and its two values. `values` and `other` are a tile that begins at
/// element `tile_first` of the destination, without and with the replica laid over it; they differ.
std::string difference_text(const CheckpointIndex& index, const PlannedTensor& tensor, const Destination& destination,
                            const Copy& replica, std::uint64_t tile_first, std::span<const std::byte> values,
                            std::span<const std::byte> other);

}  // namespace unshard
