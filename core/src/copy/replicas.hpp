// The message for replicas that differ.
#pragma once

#include "geometry/lower.hpp"
#include "unshard/index.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace unshard {

/// Names both ranks, the first element that differs, and its two values. `values` is a tile that begins at element
/// `tile_first` of the destination; `other` is the same tile with the replica's elements written over it. They must
/// differ.
std::string difference_text(const CheckpointIndex& index, const PlannedTensor& tensor, const Destination& destination,
                            const Copy& replica, std::uint64_t tile_first, std::span<const std::byte> values,
                            std::span<const std::byte> other);

}  // namespace unshard
