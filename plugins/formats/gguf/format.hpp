// GGUF facts that the reader and the writer need (ggml/include/gguf.h, ggml/src/gguf.cpp).
//
// A file, all little-endian: "GGUF", u32 version, u64 tensors, u64 keys; each key: string, u32 value type, value; each
// tensor: string, u32 rank, u64 dims (fastest first), u32 type, u64 offset from the start of the data; zeros to the
// alignment; the data. A string is a u64 length and its bytes; an array u32 type of its elements, u64 count, elements.
// Offsets must be the running sum of padded sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace unshard::gguf {

inline constexpr std::string_view kMagic = "GGUF";
inline constexpr std::uint32_t kVersion = 3;

/// Offsets of tensors are multiples of this, unless the key general.alignment says otherwise.
inline constexpr std::uint64_t kAlignment = 32;
/// GGML_MAX_NAME and GGML_MAX_DIMS: a longer name or a higher rank is refused by llama.cpp.
inline constexpr std::size_t kMaxNameBytes = 63;
inline constexpr std::size_t kMaxRank = 4;

/// What type a value has; the numbers of enum gguf_type.
enum class ValueType : std::uint32_t {
    u8 = 0,
    i8 = 1,
    u16 = 2,
    i16 = 3,
    u32 = 4,
    i32 = 5,
    f32 = 6,
    boolean = 7,
    string = 8,
    array = 9,
    u64 = 10,
    i64 = 11,
    f64 = 12,
};

}  // namespace unshard::gguf
