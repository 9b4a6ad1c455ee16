// Writes tiles, for one thread: from the checkpoint's files into an output.
#pragma once

#include "copy/gather.hpp"
#include "copy/tiles.hpp"
#include "elements/convert.hpp"
#include "files/sources.hpp"
#include "files/staging.hpp"
#include "unshard/plugin.hpp"

#include <cstdint>
#include <optional>

namespace unshard {

/// What all tiles of a destination share.
struct Filling {
    const PlannedTensor* tensor = nullptr;
    const Destination* destination = nullptr;
    Stage* stage = nullptr;
    Writer* writer = nullptr;     ///< used when `stored` is empty
    std::optional<DType> stored;  ///< empty: an encoding of the writer's own
    bool compares = false;        ///< the replicas are compared whole, not by a sample
    Dims strides;
    CopyFinder copies;
    CopyFinder replicas;

    Filling(const PlannedTensor& tensor, const Destination& destination);

    /// The type of the values after they were gathered and, where they are terms of a sum, added up.
    DType gathered() const;
    /// The most bytes that an element takes in any buffer.
    std::uint64_t elem_bytes() const;
    std::uint64_t stored_bytes(std::uint64_t elems) const;
};

/// Whether a tensor's replicas are compared whole although nobody asked for it: nothing states that they are replicas,
/// or they are small.
bool compares_replicas(const PlannedTensor& tensor, std::uint64_t tile_bytes);

/// What one thread has done.
struct TileCounts {
    std::uint64_t bytes_written = 0;
    std::uint64_t replicas_compared = 0;
    std::uint64_t overflowed = 0;
};

class TileWriter {
public:
    TileWriter(const CheckpointIndex& index, Sources& sources, std::uint64_t tile_bytes)
        : index_(index), sources_(sources), gatherer_(tile_bytes) {}

    /// Throws Error when a source cannot be read, the output not be written, or replicas differ.
    TileCounts write(const Filling& filling, const Tile& tile);

    /// The bytes that `write` writes, valid until the next call. Throws as it does.
    std::span<const std::byte> make(const Filling& filling, const Tile& tile, TileCounts& counts);

private:
    std::uint64_t gather(const Filling& filling, const Tile& tile, const Copy& copy, std::span<std::byte> into);
    std::span<std::byte> gather_values(const Filling& filling, const Tile& tile);
    template <class Sum>
    std::span<std::byte> gather_sums(const Filling& filling, const Tile& tile);
    std::uint64_t compare_sample(const Filling& filling, const Tile& tile, std::span<const std::byte> values);
    std::uint64_t compare_replicas(const Filling& filling, const Tile& tile, std::span<const std::byte> values);
    std::span<const std::byte> encode(const Filling& filling, std::span<const std::byte> values, const Tile& tile,
                                      TileCounts& counts);
    std::span<const std::byte> encode_blocks(const Filling& filling, std::span<const std::byte> values,
                                             const Tile& tile, TileCounts& counts);

    const CheckpointIndex& index_;
    Sources& sources_;
    Gatherer gatherer_;
    Buffer values_;   ///< a tile as the checkpoint has it
    Buffer other_;    ///< the tile as a replica has it, or the sum of terms
    Buffer floats_;   ///< what the writer encodes
    Buffer encoded_;  ///< what is written, where that is not `values_`
};

}  // namespace unshard
