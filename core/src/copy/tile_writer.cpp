#include "copy/tile_writer.hpp"

#include "copy/replicas.hpp"
#include "geometry/boxes.hpp"

#include <algorithm>
#include <cstring>
#include <set>

namespace unshard {

Filling::Filling(const PlannedTensor& tensor_, const Destination& destination_)
    : tensor(&tensor_),
      destination(&destination_),
      stored(find_dtype(&DTypeInfo::name, destination_.encoding.name)),
      strides(contiguous_strides(destination_.dims)),
      copies(destination_.copies, destination_.dims),
      replicas(destination_.replicas, destination_.dims) {}

DType Filling::gathered() const {
    if (!tensor->is_sum || tensor->dtype == DType::f64) return tensor->dtype;
    return DType::f32;
}

std::uint64_t Filling::elem_bytes() const {
    const std::uint64_t most = std::max(size_of(tensor->dtype), size_of(gathered()));
    return std::max(most, size_of(stored.value_or(DType::f32)));
}

std::uint64_t Filling::stored_bytes(std::uint64_t elems) const {
    return elems / destination->encoding.block_elems * destination->encoding.block_bytes;
}

bool compares_replicas(const PlannedTensor& tensor, std::uint64_t tile_bytes) {
    return !tensor.replicas_stated || tensor.shape.numel() * size_of(tensor.dtype) < tile_bytes;
}

/// Copies the elements that `copy` has of the tile into `into`; the others stay as they are. Returns the number of
/// bytes.
std::uint64_t TileWriter::gather(const Filling& filling, const Tile& tile, const Copy& copy,
                                 std::span<std::byte> into) {
    const std::uint64_t elem_bytes = size_of(filling.tensor->dtype);
    std::uint64_t gathered = 0;
    const OpenStorage storage = sources_.open(index_.tensors[copy.tensor].shards[copy.shard]);
    for (const Box& box : boxes_of_range(filling.destination->dims, tile.first, tile.count)) {
        const std::optional<Box> part = intersection(box, copy.box);
        if (!part) continue;
        const Walk walk = walk_of(copy, *part, filling.strides, tile.first);
        gatherer_.gather(storage, walk, elem_bytes, into.data());
        gathered += walk.count() * elem_bytes;
    }
    return gathered;
}

std::span<std::byte> TileWriter::gather_values(const Filling& filling, const Tile& tile) {
    const std::span<std::byte> values = values_.take(tile.count * size_of(filling.tensor->dtype));
    for (const Copy& copy : filling.copies.in_range(tile.first, tile.count)) gather(filling, tile, copy, values);
    return values;
}

namespace {

/// Calls `run(first, count)` for each run of a box's elements in the tile.
template <class Run>
void for_each_run(const Box& part, const Dims& strides, std::uint64_t tile_first, Run run) {
    Box rows = part;
    const std::uint64_t row = part.extent.empty() ? 1 : part.extent.back();
    if (!rows.extent.empty()) rows.extent[rows.extent.rank() - 1] = 1;
    const std::uint64_t count = rows.extent.numel();
    for (std::uint64_t i = 0; i < count; ++i) {
        std::uint64_t rest = i;
        std::uint64_t first = position_of(part.origin, strides) - tile_first;
        for (std::size_t axis = rows.extent.rank(); axis-- > 0;) {
            first += rest % rows.extent[axis] * strides[axis];
            rest /= rows.extent[axis];
        }
        run(first, row);
    }
}

}  // namespace

template <class Sum>
std::span<std::byte> TileWriter::gather_sums(const Filling& filling, const Tile& tile) {
    const DType from = filling.tensor->dtype;
    const std::span<std::byte> values = values_.take(tile.count * size_of(from));
    const std::span<std::byte> bytes = other_.take(tile.count * sizeof(Sum));
    const std::span<Sum> sums(new (bytes.data()) Sum[tile.count], tile.count);
    std::fill(sums.begin(), sums.end(), Sum{-0.0});  // so that a sum of negative zeros stays negative
    for (const Copy& copy : filling.copies.in_range(tile.first, tile.count)) {
        gather(filling, tile, copy, values);
        for (const Box& box : boxes_of_range(filling.destination->dims, tile.first, tile.count)) {
            const std::optional<Box> part = intersection(box, copy.box);
            if (!part) continue;
            for_each_run(*part, filling.strides, tile.first, [&](std::uint64_t first, std::uint64_t count) {
                accumulate(from, &values[first * size_of(from)], count, &sums[first]);
            });
        }
    }
    if (filling.tensor->divisor != 1) {  // once and at the end, as PyTorch rounds an average
        for (Sum& sum : sums) sum /= static_cast<Sum>(filling.tensor->divisor);
    }
    return bytes;
}

/// The positions in a tile from which replicas are sampled: its beginning, and where a replica begins.
std::set<std::uint64_t> sample_points(const Filling& filling, const Tile& tile) {
    std::set<std::uint64_t> points = {tile.first};
    for (const Copy& replica : filling.replicas.in_range(tile.first, tile.count)) {
        const std::uint64_t begin = position_of(replica.box.origin, filling.strides);
        if (begin >= tile.first && begin < tile.first + tile.count) points.insert(begin);
    }
    return points;
}

/// Replicas that diverged in training differ nearly everywhere: a few elements of each piece show it.
std::uint64_t TileWriter::compare_sample(const Filling& filling, const Tile& tile, std::span<const std::byte> values) {
    constexpr std::uint64_t kSampleBytes = 64 << 10;
    const std::uint64_t elem_bytes = size_of(filling.tensor->dtype);
    std::uint64_t compared = 0;
    std::uint64_t end = tile.first;
    for (const std::uint64_t point : sample_points(filling, tile)) {
        if (point < end) continue;
        const std::uint64_t count = std::min(kSampleBytes / elem_bytes, tile.first + tile.count - point);
        const auto part = values.subspan((point - tile.first) * elem_bytes, count * elem_bytes);
        compared += compare_replicas(filling, {tile.destination, point, count}, part);
        end = point + count;
    }
    return compared;
}

/// The elements of each replica are written over a copy of the tile. If they are equal, the copy stays equal to the
/// tile.
std::uint64_t TileWriter::compare_replicas(const Filling& filling, const Tile& tile,
                                           std::span<const std::byte> values) {
    std::uint64_t compared = 0;
    const std::span<std::byte> other = other_.take(values.size());
    for (const Copy& replica : filling.replicas.in_range(tile.first, tile.count)) {
        std::memcpy(other.data(), values.data(), values.size());
        compared += gather(filling, tile, replica, other);
        if (std::memcmp(other.data(), values.data(), values.size()) != 0) {
            throw Error(
                difference_text(index_, *filling.tensor, *filling.destination, replica, tile.first, values, other));
        }
    }
    return compared;
}

std::span<const std::byte> TileWriter::encode_blocks(const Filling& filling, std::span<const std::byte> values,
                                                     const Tile& tile, TileCounts& counts) {
    const Destination& d = *filling.destination;
    const Conversion conversion{filling.gathered(), DType::f32, d.add};
    if (!is_identity(conversion)) {
        const std::span<std::byte> floats = floats_.take(tile.count * sizeof(float));
        counts.overflowed += convert(conversion, values.data(), tile.count, floats.data());
        values = floats;
    }
    const bool is_whole_rows = tile.first % d.row_elems == 0 && tile.count % d.row_elems == 0;
    const std::span<std::byte> out = encoded_.take(filling.stored_bytes(tile.count));
    try {
        filling.writer->encode(d.encoding_number, {reinterpret_cast<const float*>(values.data()), tile.count},
                               is_whole_rows ? d.row_elems : d.encoding.block_elems, out);
    } catch (const Error& e) {
        throw Error(filling.tensor->name + ": " + e.what());
    }
    return out;
}

std::span<const std::byte> TileWriter::encode(const Filling& filling, std::span<const std::byte> values,
                                              const Tile& tile, TileCounts& counts) {
    if (!filling.stored) return encode_blocks(filling, values, tile, counts);
    const Conversion conversion{filling.gathered(), *filling.stored, filling.destination->add};
    if (is_identity(conversion)) return values;
    const std::span<std::byte> out = encoded_.take(filling.stored_bytes(tile.count));
    counts.overflowed += convert(conversion, values.data(), tile.count, out.data());
    return out;
}

std::span<const std::byte> TileWriter::make(const Filling& filling, const Tile& tile, TileCounts& counts) {
    const bool is_wide = filling.gathered() == DType::f64;
    const std::span<std::byte> values = !filling.tensor->is_sum ? gather_values(filling, tile)
                                        : is_wide               ? gather_sums<double>(filling, tile)
                                                                : gather_sums<float>(filling, tile);
    if (!filling.destination->replicas.empty()) {
        counts.replicas_compared =
            filling.compares ? compare_replicas(filling, tile, values) : compare_sample(filling, tile, values);
    }
    return encode(filling, values, tile, counts);
}

TileCounts TileWriter::write(const Filling& filling, const Tile& tile) {
    TileCounts counts;
    const std::span<const std::byte> bytes = make(filling, tile, counts);
    filling.stage->write(filling.destination->file, filling.destination->offset + filling.stored_bytes(tile.first),
                         bytes);
    counts.bytes_written = bytes.size();
    return counts;
}

}  // namespace unshard
