// A walk is read in one of three ways. A single contiguous run goes straight into the tile. Where the elements are
// close enough together, all bytes from the first to the last are read at once and the elements are picked out in
// memory. Otherwise the walk is cut in two along its longest stride and each half is treated the same way; in the end
// only runs are left.

#include "copy/gather.hpp"

#include "geometry/boxes.hpp"

#include <algorithm>
#include <cstring>
#include <string>

namespace unshard {

std::span<std::byte> Buffer::take(std::uint64_t bytes) {
    if (bytes > bytes_) {
        data_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
        bytes_ = bytes;
    }
    return {data_.get(), bytes};
}

void Walk::push(Loop loop) {
    if (loop.count == 1) return;
    if (depth > 0) {
        Loop& outer = loops[depth - 1];
        if (outer.source == loop.count * loop.source && outer.target == loop.count * loop.target) {
            outer = {outer.count * loop.count, loop.source, loop.target};
            return;
        }
    }
    loops[depth++] = loop;
}

std::uint64_t Walk::count() const {
    std::uint64_t product = 1;
    for (const Loop& l : all()) product *= l.count;
    return product;
}

Walk walk_of(const Copy& copy, const Box& part, const Dims& strides, std::uint64_t tile_first) {
    Walk walk;
    walk.source = copy.first;
    walk.target = position_of(part.origin, strides) - tile_first;
    for (std::size_t i = 0; i < part.origin.rank(); ++i) {
        walk.source += (part.origin[i] - copy.box.origin[i]) * copy.stride[i];
        walk.push({part.extent[i], copy.stride[i], strides[i]});
    }
    return walk;
}

CopyFinder::CopyFinder(const std::vector<Copy>& copies, const Dims& dims) : copies_(copies) {
    const Dims strides = contiguous_strides(dims);
    std::uint64_t end = 0;
    for (const Copy& copy : copies) {
        Dims last = copy.box.origin;
        for (std::size_t i = 0; i < last.rank(); ++i) last[i] += copy.box.extent[i] - 1;
        end = std::max(end, position_of(last, strides) + 1);
        begin_.push_back(position_of(copy.box.origin, strides));
        end_.push_back(end);
    }
}

std::span<const Copy> CopyFinder::in_range(std::uint64_t first, std::uint64_t count) const {
    const auto from = std::upper_bound(end_.begin(), end_.end(), first) - end_.begin();
    const auto to = std::lower_bound(begin_.begin(), begin_.end(), first + count) - begin_.begin();
    if (from >= to) return {};
    return copies_.subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from));
}

namespace {

/// Reading so many unneeded bytes is as fast as starting another read.
constexpr std::uint64_t kGapBytes = 4096;

bool is_run(const Walk& walk) {
    return walk.depth == 0 || (walk.depth == 1 && walk.loops[0].source == 1 && walk.loops[0].target == 1);
}

/// From the first to the last element in the storage, in elements.
std::uint64_t span_elems(const Walk& walk) {
    std::uint64_t span = 1;
    for (const Loop& l : walk.all()) span += (l.count - 1) * l.source;
    return span;
}

std::uint64_t run_elems(const Walk& walk) {
    for (const Loop& l : walk.all()) {
        if (l.source == 1) return l.count;
    }
    return 1;
}

bool is_dense(const Walk& walk, std::uint64_t elem_bytes) {
    const std::uint64_t needed = walk.count();
    const std::uint64_t span = span_elems(walk);
    return span / 4 <= needed || span / (needed / run_elems(walk)) * elem_bytes <= kGapBytes;
}

std::pair<Walk, Walk> halves(const Walk& walk) {
    const auto longer = [](const Loop& a, const Loop& b) { return a.source < b.source; };
    const auto all = walk.all();
    const auto cut = static_cast<std::size_t>(std::max_element(all.begin(), all.end(), longer) - all.begin());
    const std::uint64_t half = walk.loops[cut].count / 2;
    std::pair<Walk, Walk> result;
    result.first.source = walk.source;
    result.first.target = walk.target;
    result.second.source = walk.source + half * walk.loops[cut].source;
    result.second.target = walk.target + half * walk.loops[cut].target;
    for (std::size_t i = 0; i < walk.depth; ++i) {
        const Loop& l = walk.loops[i];
        result.first.push({i == cut ? half : l.count, l.source, l.target});
        result.second.push({i == cut ? l.count - half : l.count, l.source, l.target});
    }
    return result;
}

template <std::size_t elem_bytes>
void pick_row(const std::byte* source, std::byte* target, const Loop& row) {
    for (std::uint64_t i = 0; i < row.count; ++i) {
        std::memcpy(target + i * row.target * elem_bytes, source + i * row.source * elem_bytes, elem_bytes);
    }
}

void move_row(const std::byte* source, std::byte* target, const Loop& row, std::uint64_t elem_bytes) {
    if (row.source == 1 && row.target == 1) {
        std::memcpy(target, source, row.count * elem_bytes);
        return;
    }
    switch (elem_bytes) {
        case 1:
            return pick_row<1>(source, target, row);
        case 2:
            return pick_row<2>(source, target, row);
        case 4:
            return pick_row<4>(source, target, row);
        case 8:
            return pick_row<8>(source, target, row);
        case 16:
            return pick_row<16>(source, target, row);
        default:
            throw Error(std::to_string(elem_bytes) + " bytes are no element's size");
    }
}

/// Moves the elements of a walk with at least one loop. `source` is where its first element is.
void pick(const Walk& walk, const std::byte* source, std::byte* tile, std::uint64_t elem_bytes) {
    const std::size_t outer = walk.depth - 1;
    std::array<std::uint64_t, kMaxDims> at{};
    std::byte* target = tile + walk.target * elem_bytes;
    while (true) {
        move_row(source, target, walk.loops[outer], elem_bytes);
        std::size_t i = outer;
        while (i > 0 && ++at[i - 1] == walk.loops[i - 1].count) {
            --i;
            source -= (at[i] - 1) * walk.loops[i].source * elem_bytes;
            target -= (at[i] - 1) * walk.loops[i].target * elem_bytes;
            at[i] = 0;
        }
        if (i == 0) return;
        source += walk.loops[i - 1].source * elem_bytes;
        target += walk.loops[i - 1].target * elem_bytes;
    }
}

}  // namespace

// The recursion halves the walk: it is no deeper than the number of bits in the tile's element count.
void Gatherer::gather(const OpenStorage& storage, const Walk& walk, std::uint64_t elem_bytes, std::byte* tile) {
    const std::uint64_t begin = walk.source * elem_bytes;
    if (is_run(walk)) {
        return storage.read_at(begin, {tile + walk.target * elem_bytes, walk.count() * elem_bytes});
    }
    const std::uint64_t bytes = span_elems(walk) * elem_bytes;
    if (bytes <= span_bytes_ && is_dense(walk, elem_bytes)) {
        const std::span<std::byte> span = buffer_.take(bytes);
        storage.read_at(begin, span);
        return pick(walk, span.data(), tile, elem_bytes);
    }
    const auto [first, second] = halves(walk);
    gather(storage, first, elem_bytes, tile);
    gather(storage, second, elem_bytes, tile);
}

}  // namespace unshard
