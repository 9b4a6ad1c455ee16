// Moves elements from a shard's storage into a tile.
#pragma once

#include "files/sources.hpp"
#include "unshard/plan.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace unshard {

/// A buffer that grows as needed and is reused. Its bytes are not initialised.
class Buffer {
public:
    std::span<std::byte> take(std::uint64_t bytes);

private:
    std::unique_ptr<std::byte[]> data_;
    std::uint64_t bytes_ = 0;
};

/// `count` steps through a storage and through a tile at once, in elements.
struct Loop {
    std::uint64_t count = 1;
    std::uint64_t source = 0;
    std::uint64_t target = 0;
};

/// Nested loops over elements, outermost first. Loops of one step are left out, neighbours that form one loop are
/// joined.
struct Walk {
    std::uint64_t source = 0;  ///< the first element, from the start of the storage
    std::uint64_t target = 0;  ///< the first element, from the start of the tile
    std::array<Loop, kMaxDims> loops{};
    std::size_t depth = 0;

    void push(Loop loop);
    std::uint64_t count() const;
    std::span<const Loop> all() const { return {loops.data(), depth}; }
};

/// The walk that fills `part` of a copy's box. `strides` are those of the array that the box is in; the tile begins
/// at its element `tile_first`.
Walk walk_of(const Copy& copy, const Box& part, const Dims& strides, std::uint64_t tile_first);

/// Finds the copies that overlap a range of a row-major array without looking at all of them.
class CopyFinder {
public:
    CopyFinder() = default;
    /// `copies` are in the order in which they begin, and outlive this.
    CopyFinder(const std::vector<Copy>& copies, const Dims& dims);

    /// All copies with elements in [first, first + count), and few others.
    std::span<const Copy> in_range(std::uint64_t first, std::uint64_t count) const;

private:
    std::span<const Copy> copies_;
    std::vector<std::uint64_t> begin_;  ///< where each copy begins
    std::vector<std::uint64_t> end_;    ///< where all copies up to this one have ended
};

/// Reads what walks ask for. One for each thread.
class Gatherer {
public:
    /// Reads at most `span_bytes` at once.
    explicit Gatherer(std::uint64_t span_bytes) : span_bytes_(span_bytes) {}

    /// Puts the walk's elements in their places in the tile.
    void gather(const OpenStorage& storage, const Walk& walk, std::uint64_t elem_bytes, std::byte* tile);

private:
    std::uint64_t span_bytes_;
    Buffer buffer_;
};

}  // namespace unshard
