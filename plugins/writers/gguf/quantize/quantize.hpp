// ggml's block types: float32 values to the bytes that llama.cpp's own quantiser stores, without an importance matrix.
//
// Blocks are independent of each other and never cross rows, so any cut of a tensor at row boundaries gives the same
// bytes. Every function here is pure and may be called from several threads at once. The bytes are those of ggml 0.25
// (llama-cpp-python 0.3.36) on x86-64, whatever this machine is.
#pragma once

#include "formats/gguf/types.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace unshard::gguf {

/// `values`, finite, are a multiple of the type's block_elems; `out` takes the blocks, one behind the other.
using BlockFunction = void (*)(std::span<const float> values, std::byte* out);

/// A type's name and block size are in formats/gguf/types.hpp.
struct BlockType {
    Type type;
    BlockFunction quantize;       // for the processor at hand
    std::uint32_t halves;         // how many fp16 numbers lie side by side ...
    std::uint32_t halves_offset;  // ... this far into a block
};

/// q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k, q4_k, q5_k, q6_k.
std::span<const BlockType> block_types();

/// Null when there is no such type.
const BlockType* find_block_type(std::string_view name);

/// The values must be finite: of others the levels mean nothing.
/// Throws std::invalid_argument when rows are not whole blocks, values not whole rows, or `out` is not exactly as large
/// as the blocks.
void quantize(const BlockType& type, std::span<const float> values, std::uint64_t row_elems, std::span<std::byte> out);

/// False when there is a NaN or an infinity.
bool all_finite(std::span<const float> values);

/// False when a scale or minimum of these blocks is beyond fp16, as finite values from 65,520 on can make it: llama-quantize refuses such a tensor ("quantized data validation failed").
bool halves_are_finite(const BlockType& type, std::span<const std::byte> blocks);

}  // namespace unshard::gguf
