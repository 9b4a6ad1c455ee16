#include "copy/tiles.hpp"

#include <algorithm>

namespace unshard {
namespace {

/// The number of elements that tiles are a multiple of: the largest run of whole inner dimensions of at most `most`
/// elements. So tiles overlap few copies and consist of few boxes. For blocks of several elements it is a row, the unit
/// of encoders.
std::uint64_t cutting_unit(const Destination& d, std::uint64_t most) {
    if (d.encoding.block_elems > 1) return d.row_elems <= most ? d.row_elems : d.encoding.block_elems;
    std::uint64_t unit = 1;
    for (std::size_t i = d.dims.rank(); i-- > 0 && d.dims[i] <= most / unit;) unit *= d.dims[i];
    return unit;
}

}  // namespace

std::uint64_t tile_elems(const Destination& destination, std::uint64_t elem_bytes, std::uint64_t tile_bytes) {
    const std::uint64_t most = std::max<std::uint64_t>(tile_bytes / elem_bytes, 1);
    const std::uint64_t unit = std::max<std::uint64_t>(cutting_unit(destination, most), 1);  // 0: nothing to cut
    return std::max<std::uint64_t>(most / unit, 1) * unit;
}

void Tiling::append(std::uint64_t count_elems, std::uint64_t tile_elems) {
    const std::uint64_t tiles = count_elems / tile_elems + (count_elems % tile_elems != 0 ? 1 : 0);
    end_.push_back(size() + tiles);
    count_elems_.push_back(count_elems);
    tile_elems_.push_back(tile_elems);
}

Tile Tiling::operator[](std::uint64_t number) const {
    const auto found = std::upper_bound(end_.begin(), end_.end(), number);
    const auto destination = static_cast<std::size_t>(found - end_.begin());
    const std::uint64_t before = destination == 0 ? 0 : end_[destination - 1];
    const std::uint64_t first = (number - before) * tile_elems_[destination];
    return {destination, first, std::min(tile_elems_[destination], count_elems_[destination] - first)};
}

}  // namespace unshard
