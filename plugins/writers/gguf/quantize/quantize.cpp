// The table of types and the checks around their kernels.

#include "quantize.hpp"

#include "blocks.hpp"
#include "kernels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

namespace unshard::gguf {
namespace {

constexpr std::uint64_t bytes_of(Type type) {
    return std::ranges::find(kTypes, type, &TypeInfo::type)->block_bytes;
}

template <Type type, class Block>
constexpr BlockType block_type(BlockFunction quantize) {
    static_assert(sizeof(Block) == bytes_of(type));
    constexpr bool has_minimum = requires(Block block) { block.m; };
    return {type, quantize, has_minimum ? 2 : 1, offsetof(Block, d)};
}

constexpr std::array kBlockTypes = {
    block_type<Type::q8_0, Q8_0>(vectorized::q8_0), block_type<Type::q4_0, Q4_0>(vectorized::q4_0),
    block_type<Type::q4_1, Q4_1>(vectorized::q4_1), block_type<Type::q5_0, Q5_0>(vectorized::q5_0),
    block_type<Type::q5_1, Q5_1>(vectorized::q5_1), block_type<Type::q2_k, Q2K>(vectorized::q2_k),
    block_type<Type::q3_k, Q3K>(vectorized::q3_k),  block_type<Type::q4_k, Q4K>(vectorized::q4_k),
    block_type<Type::q5_k, Q5K>(vectorized::q5_k),  block_type<Type::q6_k, Q6K>(vectorized::q6_k),
};

}  // namespace

std::span<const BlockType> block_types() {
    return kBlockTypes;
}

const BlockType* find_block_type(std::string_view name) {
    const auto* found = std::ranges::find(kBlockTypes, name, [](const BlockType& t) { return info(t.type).name; });
    return found == kBlockTypes.end() ? nullptr : found;
}

void quantize(const BlockType& type, std::span<const float> values, std::uint64_t row_elems, std::span<std::byte> out) {
    const TypeInfo& block = info(type.type);
    const auto refuse = [&](const std::string& what) {
        throw std::invalid_argument(fmt::format("{}: {}", block.name, what));
    };
    if (row_elems == 0 || row_elems % block.block_elems != 0) {
        refuse(fmt::format("rows of {} elements are not whole blocks of {}", row_elems, block.block_elems));
    }
    if (values.size() % row_elems != 0) {
        refuse(fmt::format("{} values are not whole rows of {}", values.size(), row_elems));
    }
    const std::uint64_t bytes = values.size() / block.block_elems * block.block_bytes;
    if (out.size() != bytes) {
        refuse(fmt::format("the output has {} bytes, the blocks take {}", out.size(), bytes));
    }
    type.quantize(values, out.data());
}

bool all_finite(std::span<const float> values) {
    return vectorized::all_finite(values);
}

bool halves_are_finite(const BlockType& type, std::span<const std::byte> blocks) {
    const auto overflowed = [&](std::size_t offset) {
        std::uint16_t half;
        std::memcpy(&half, blocks.data() + offset, sizeof half);
        return (half & 0x7c00) == 0x7c00;
    };
    const std::uint64_t block_bytes = info(type.type).block_bytes;
    for (std::size_t block = 0; block + block_bytes <= blocks.size(); block += block_bytes) {
        for (std::uint32_t i = 0; i < type.halves; ++i) {
            if (overflowed(block + type.halves_offset + i * sizeof(std::uint16_t))) return false;
        }
    }
    return true;
}

}  // namespace unshard::gguf
