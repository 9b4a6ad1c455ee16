#include "replicas.hpp"

#include "boxes.hpp"
#include "convert.hpp"
#include "text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace unshard {
namespace {

template <class T>
std::string number_text(std::span<const std::byte> element) {
    T value;
    std::memcpy(&value, element.data(), sizeof value);
    return fmt::format("{}", value);
}

std::string value_text(DType dtype, std::span<const std::byte> element) {
    switch (dtype) {
        case DType::f64:
            return number_text<double>(element);
        case DType::i64:
            return number_text<std::int64_t>(element);
        case DType::i32:
            return number_text<std::int32_t>(element);
        case DType::i16:
            return number_text<std::int16_t>(element);
        case DType::i8:
            return number_text<std::int8_t>(element);
        case DType::u64:
            return number_text<std::uint64_t>(element);
        case DType::u32:
            return number_text<std::uint32_t>(element);
        case DType::u16:
            return number_text<std::uint16_t>(element);
        case DType::u8:
        case DType::boolean:
            return number_text<std::uint8_t>(element);
        case DType::c64:
            return number_text<float>(element) + "+" + number_text<float>(element.subspan(4)) + "j";
        default:
            break;
    }
    float value = 0;
    convert({dtype, DType::f32}, element.data(), 1, reinterpret_cast<std::byte*>(&value));
    return fmt::format("{}", value);
}

/// The bits as one number, for values that look alike (two NaNs).
std::string bits_text(std::span<const std::byte> element) {
    std::string text = "0x";
    for (std::size_t i = element.size(); i-- > 0;) text += fmt::format("{:02x}", std::to_integer<unsigned>(element[i]));
    return text;
}

std::string both_values(DType dtype, std::span<const std::byte> a, std::span<const std::byte> b) {
    const std::string text_a = value_text(dtype, a);
    const std::string text_b = value_text(dtype, b);
    if (text_a == text_b) return bits_text(a) + " and " + bits_text(b);
    return text_a + " and " + text_b;
}

const Shard& shard_of(const CheckpointIndex& index, const Copy& copy) {
    return index.tensors[copy.tensor].shards[copy.shard];
}

/// The copy that gave element `number` of the destination.
const Copy& giver(const Destination& destination, std::uint64_t number) {
    const Box element = boxes_of_range(destination.dims, number, 1).front();
    return *std::find_if(destination.copies.begin(), destination.copies.end(),
                         [&](const Copy& copy) { return intersection(copy.box, element).has_value(); });
}

}  // namespace

std::string difference_text(const CheckpointIndex& index, const PlannedTensor& tensor, const Destination& destination,
                            const Copy& replica, std::uint64_t tile_first, std::span<const std::byte> values,
                            std::span<const std::byte> other) {
    const std::uint64_t elem_bytes = size_of(tensor.dtype);
    const auto differing = std::mismatch(values.begin(), values.end(), other.begin()).first - values.begin();
    const std::uint64_t in_tile = static_cast<std::uint64_t>(differing) / elem_bytes;
    const std::uint64_t number = tile_first + in_tile;
    const std::string what = fmt::format("first at element {}: {}", grouped(number),
                                         both_values(tensor.dtype, values.subspan(in_tile * elem_bytes, elem_bytes),
                                                     other.subspan(in_tile * elem_bytes, elem_bytes)));
    const Copy& copy = giver(destination, number);
    if (copy.tensor != replica.tensor) {
        return fmt::format(
            "{} differs from {} ({}) although config.json says tie_word_embeddings: keep it with [select] keep = "
            "[\"^lm_head\\\\.weight$\"] or set tie_word_embeddings to false",
            index.tensors[replica.tensor].name, tensor.name, what);
    }
    return fmt::format(
        "{}: ranks {} and {} hold different values ({}): the checkpoint is damaged, or the tensor is not "
        "replicated",
        tensor.name, shard_of(index, copy).rank, shard_of(index, replica).rank, what);
}

}  // namespace unshard
