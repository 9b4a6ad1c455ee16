// The table of types and the checks around their kernels.

#include "quantize.hpp"

#include "blocks.hpp"
#include "kernels.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>

namespace unshard::gguf {
namespace {

constexpr std::array kBlockTypes = {
    BlockType{"f16", 1, 1, 2, 1, 0, vectorized::f16, reference::f16},
    BlockType{"bf16", 30, 1, 2, 0, 0, vectorized::bf16, reference::bf16},
    BlockType{"q8_0", 8, 32, 34, 1, offsetof(Q8_0, d), vectorized::q8_0, reference::q8_0},
    BlockType{"q4_0", 2, 32, 18, 1, offsetof(Q4_0, d), vectorized::q4_0, reference::q4_0},
    BlockType{"q4_1", 3, 32, 20, 2, offsetof(Q4_1, d), vectorized::q4_1, reference::q4_1},
    BlockType{"q5_0", 6, 32, 22, 1, offsetof(Q5_0, d), vectorized::q5_0, reference::q5_0},
    BlockType{"q5_1", 7, 32, 24, 2, offsetof(Q5_1, d), vectorized::q5_1, reference::q5_1},
    BlockType{"q2_k", 10, 256, 84, 2, offsetof(Q2K, d), vectorized::q2_k, reference::q2_k},
    BlockType{"q3_k", 11, 256, 110, 1, offsetof(Q3K, d), vectorized::q3_k, reference::q3_k},
    BlockType{"q4_k", 12, 256, 144, 2, offsetof(Q4K, d), vectorized::q4_k, reference::q4_k},
    BlockType{"q5_k", 13, 256, 176, 2, offsetof(Q5K, d), vectorized::q5_k, reference::q5_k},
    BlockType{"q6_k", 14, 256, 210, 1, offsetof(Q6K, d), vectorized::q6_k, reference::q6_k},
};

}  // namespace

std::span<const BlockType> block_types() {
    return kBlockTypes;
}

const BlockType* find_block_type(std::string_view name) {
    const auto* found =
        std::find_if(kBlockTypes.begin(), kBlockTypes.end(), [&](const auto& t) { return t.name == name; });
    return found == kBlockTypes.end() ? nullptr : found;
}

void quantize(const BlockType& type, std::span<const float> values, std::uint64_t row_elems, std::span<std::byte> out) {
    const auto refuse = [&](const std::string& what) {
        throw std::invalid_argument(std::string(type.name) + ": " + what);
    };
    if (row_elems == 0 || row_elems % type.block_elems != 0) {
        refuse("rows of " + std::to_string(row_elems) + " elements are not whole blocks of " +
               std::to_string(type.block_elems));
    }
    if (values.size() % row_elems != 0) {
        refuse(std::to_string(values.size()) + " values are not whole rows of " + std::to_string(row_elems));
    }
    const std::uint64_t bytes = values.size() / type.block_elems * type.block_bytes;
    if (out.size() != bytes) {
        refuse("the output has " + std::to_string(out.size()) + " bytes, the blocks take " + std::to_string(bytes));
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
    for (std::size_t block = 0; block + type.block_bytes <= blocks.size(); block += type.block_bytes) {
        for (std::uint32_t i = 0; i < type.halves; ++i) {
            if (overflowed(block + type.halves_offset + i * sizeof(std::uint16_t))) return false;
        }
    }
    return true;
}

}  // namespace unshard::gguf
