// The blocks as they lie in a file: ggml's block_* structs (ggml-common.h), little-endian, without padding. A member
// `d` or `m` is a half. Nibbles: element j in the low one, element j + half the range in the high one.
#pragma once

#include <bit>
#include <cstdint>

namespace unshard::gguf {

static_assert(std::endian::native == std::endian::little, "blocks are stored by copying these structs");

inline constexpr int kBlockElems = 32;
inline constexpr int kSuperBlockElems = 256;

struct Q8_0 {
    std::uint16_t d;
    std::int8_t levels[32];
};
struct Q4_0 {
    std::uint16_t d;
    std::uint8_t nibbles[16];
};
struct Q4_1 {
    std::uint16_t d, m;
    std::uint8_t nibbles[16];
};
struct Q5_0 {
    std::uint16_t d;
    std::uint8_t fifth_bits[4];  // bit j of these 32 belongs to element j
    std::uint8_t nibbles[16];
};
struct Q5_1 {
    std::uint16_t d, m;
    std::uint8_t fifth_bits[4];
    std::uint8_t nibbles[16];
};
struct Q2K {
    std::uint8_t scales[16];  // low nibble the scale of a group of 16, high nibble its minimum
    std::uint8_t quarters[64];
    std::uint16_t d, m;
};
struct Q3K {
    std::uint8_t third_bits[32];
    std::uint8_t quarters[64];
    std::uint8_t scales[12];
    std::uint16_t d;
};
struct Q4K {
    std::uint16_t d, m;
    std::uint8_t scales[12];
    std::uint8_t nibbles[128];
};
struct Q5K {
    std::uint16_t d, m;
    std::uint8_t scales[12];
    std::uint8_t fifth_bits[32];
    std::uint8_t nibbles[128];
};
struct Q6K {
    std::uint8_t nibbles[128];
    std::uint8_t upper_bits[64];
    std::int8_t scales[16];
    std::uint16_t d;
};

}  // namespace unshard::gguf
