// How levels share bytes.
#pragma once

#include "blocks.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace unshard::gguf {

using BlockLevels = std::array<std::uint8_t, kBlockElems>;
using SuperBlockLevels = std::array<std::uint8_t, kSuperBlockElems>;

/// The low four bits: a byte has the levels l and l + 16.
inline void pack_nibbles(const BlockLevels& levels, std::uint8_t (&bytes)[16]) {
    for (std::size_t l = 0; l < 16; ++l) {
        bytes[l] = static_cast<std::uint8_t>((levels[l] & 15) | (levels[l + 16] & 15) << 4);
    }
}

/// The fifth bits, element 0's the lowest.
inline void pack_fifth_bits(const BlockLevels& levels, std::uint8_t (&bytes)[4]) {
    for (std::size_t l = 0; l < 4; ++l) {
        std::uint64_t eight;
        std::memcpy(&eight, levels.data() + 8 * l, sizeof eight);
        // Bit 0 of byte k moves to bit 56 + k; the partial products never meet, so nothing carries.
        const std::uint64_t gathered = (eight >> 4 & 0x0101010101010101) * 0x0102040810204080;
        bytes[l] = static_cast<std::uint8_t>(gathered >> 56);
    }
}

/// Two bits a level: a byte has the levels l, l + 32, l + 64, l + 96 of 128, the first in its lowest bits.
inline void pack_quarters(const SuperBlockLevels& levels, std::uint8_t (&bytes)[64]) {
    for (std::size_t half = 0; half < 2; ++half) {
        const std::uint8_t* from = levels.data() + 128 * half;
        for (std::size_t l = 0; l < 32; ++l) {
            bytes[32 * half + l] = static_cast<std::uint8_t>((from[l] & 3) | (from[l + 32] & 3) << 2 |
                                                             (from[l + 64] & 3) << 4 | (from[l + 96] & 3) << 6);
        }
    }
}

/// The low four bits: a byte has the levels l and l + 32 of 64.
inline void pack_nibbles(const SuperBlockLevels& levels, std::uint8_t (&bytes)[128]) {
    for (std::size_t quarter = 0; quarter < 4; ++quarter) {
        const std::uint8_t* from = levels.data() + 64 * quarter;
        for (std::size_t l = 0; l < 32; ++l) {
            bytes[32 * quarter + l] = static_cast<std::uint8_t>((from[l] & 15) | (from[l + 32] & 15) << 4);
        }
    }
}

/// One bit of each level: bit k of byte l belongs to level 32 * k + l.
inline void pack_bits(const SuperBlockLevels& levels, int bit, std::uint8_t (&bytes)[32]) {
    for (std::size_t l = 0; l < 32; ++l) {
        unsigned byte = 0;
        for (std::size_t k = 0; k < 8; ++k) byte |= (levels[32 * k + l] >> bit & 1u) << k;
        bytes[l] = static_cast<std::uint8_t>(byte);
    }
}

/// Eight scales and eight minimums of six bits: the first four of each have a byte of their own, whose upper two bits
/// hold the upper two bits of the last four.
inline void pack_six_bits(std::span<const std::uint8_t> scales, std::span<const std::uint8_t> mins,
                          std::uint8_t (&bytes)[12]) {
    for (std::size_t j = 0; j < 4; ++j) {
        bytes[j] = static_cast<std::uint8_t>(scales[j] | scales[j + 4] >> 4 << 6);
        bytes[j + 4] = static_cast<std::uint8_t>(mins[j] | mins[j + 4] >> 4 << 6);
        bytes[j + 8] = static_cast<std::uint8_t>((scales[j + 4] & 15) | (mins[j + 4] & 15) << 4);
    }
}

}  // namespace unshard::gguf
