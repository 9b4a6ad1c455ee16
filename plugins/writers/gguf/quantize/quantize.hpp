// ggml's block types: float32 values to the bytes that llama.cpp's own quantiser stores, without an importance matrix.
//
// Blocks are independent of each other and never cross rows, so any cut of a tensor at row boundaries gives the same
// bytes. Every function here is pure and may be called from several threads at once. The bytes are those of ggml 0.25
// (llama-cpp-python 0.3.36) on x86-64, whatever this machine is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace unshard::gguf {

/// `values`, finite, are a multiple of the type's block_elems; `out` takes the blocks, one behind the other.
using BlockFunction = void (*)(std::span<const float> values, std::byte* out);

struct BlockType {
    std::string_view name;  // ggml's, in lower case: "q4_k"
    std::uint32_t ggml_code;
    std::uint32_t block_elems;
    std::uint32_t block_bytes;
    std::uint32_t halves;         // how many fp16 numbers lie side by side ...
    std::uint32_t halves_offset;  // ... this far into a block
    BlockFunction quantize;       // vector code for the processor at hand
    BlockFunction reference;      // the same bytes from plain scalar code: what the tests trust
};

/// f16, bf16, q8_0, q4_0, q4_1, q5_0, q5_1, q2_k, q3_k, q4_k, q5_k, q6_k.
std::span<const BlockType> block_types();

/// Null when there is no such type.
const BlockType* find_block_type(std::string_view name);

/// The values of block types must be finite: of others the levels mean nothing. f16 and bf16 take any.
/// Throws std::invalid_argument when rows are not whole blocks, values not whole rows, or `out` is not exactly as large
/// as the blocks.
void quantize(const BlockType& type, std::span<const float> values, std::uint64_t row_elems, std::span<std::byte> out);

/// False when there is a NaN or an infinity.
bool all_finite(std::span<const float> values);

/// False when a scale or minimum of these blocks, or an f16 value, is beyond fp16, as finite values from 65,520 on can
/// make it: llama-quantize refuses such a tensor ("quantized data validation failed").
bool halves_are_finite(const BlockType& type, std::span<const std::byte> blocks);

}  // namespace unshard::gguf
