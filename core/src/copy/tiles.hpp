// Units of work: parts of destinations, small enough for a buffer. Computed from their number, never stored.
#pragma once

#include "geometry/lower.hpp"

#include <cstdint>
#include <vector>

namespace unshard {

/// Elements [first, first + count) of a destination in row-major order: a contiguous piece of an output file, made of
/// whole blocks of its encoding.
struct Tile {
    std::size_t destination = 0;
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    friend bool operator==(const Tile&, const Tile&) = default;
};

/// How many elements a tile of this destination has at most: as many as take up to `tile_bytes` in a buffer, in whole
/// rows (or whole planes) if one fits. `elem_bytes` is the most that one takes in any buffer.
std::uint64_t tile_elems(const Destination& destination, std::uint64_t elem_bytes, std::uint64_t tile_bytes);

/// All tiles of a list of destinations.
class Tiling {
public:
    /// Appends the tiles of the next destination: `count_elems` elements, `tile_elems` a tile.
    void append(std::uint64_t count_elems, std::uint64_t tile_elems);

    std::uint64_t size() const { return end_.empty() ? 0 : end_.back(); }
    Tile operator[](std::uint64_t number) const;

private:
    std::vector<std::uint64_t> end_;  ///< the tiles of all destinations up to and including this one
    std::vector<std::uint64_t> count_elems_;
    std::vector<std::uint64_t> tile_elems_;
};

}  // namespace unshard
