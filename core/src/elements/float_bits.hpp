// Single values of the narrow float types. Written without branches, so that compilers turn loops over them into
// vector code on any x86-64 or arm64.
//
// f16 is IEEE 754 binary16; bf16 is the upper half of an f32. The f8 types are those of the OCP 8-bit specification
// (e4m3: no infinity, NaN is S.1111.111; e5m2: as IEEE) and of arXiv:2206.02915 (fnuz: bias one higher, no negative
// zero, whose bits are the only NaN, and no infinity).
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <limits>

namespace unshard {

/// `condition ? yes : no` by masks: for the operator GCC would emit branches around float arithmetic and not vectorise.
inline std::uint32_t choose(bool condition, std::uint32_t yes, std::uint32_t no) {
    const std::uint32_t mask = 0U - static_cast<std::uint32_t>(condition);
    return (yes & mask) | (no & ~mask);
}

inline float f32_from_bf16(std::uint16_t v) {
    return std::bit_cast<float>(std::uint32_t{v} << 16U);
}

inline std::uint16_t bf16_from_f32(float value) {
    const auto w = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t rounded = (w + 0x7FFFU + ((w >> 16U) & 1U)) >> 16U;
    const std::uint32_t nan = (w >> 16U) | 0x40U;
    return static_cast<std::uint16_t>(choose((w & 0x7FFFFFFFU) > 0x7F800000U, nan, rounded));
}

/// Normal numbers: the exponent is moved by a multiplication, which leaves infinity and NaN what they are. Subnormal
/// ones: the mantissa becomes the low bits of 0.5, and 0.5 is taken away again.
inline float f32_from_f16(std::uint16_t v) {
    const std::uint32_t w = std::uint32_t{v} << 16U;
    const std::uint32_t sign = w & 0x80000000U;
    const std::uint32_t twice = w + w;
    const float normal = std::bit_cast<float>((twice >> 4U) + (0xE0U << 23U)) * 0x1.0p-112F;
    const float subnormal = std::bit_cast<float>((twice >> 17U) | (126U << 23U)) - 0.5F;
    const std::uint32_t magnitude =
        choose(twice < (1U << 27U), std::bit_cast<std::uint32_t>(subnormal), std::bit_cast<std::uint32_t>(normal));
    return std::bit_cast<float>(sign | magnitude);
}

/// Adding a power of two 2^13 times (or, for subnormal results, the least f16 subnormal's 2^23 times) larger makes the
/// f32 addition round at the last bit of the f16. What overflows was made infinite before, by a multiplication.
inline std::uint16_t f16_from_f32(float value) {
    const auto w = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t twice = w + w;
    const float magnitude = std::bit_cast<float>(w & 0x7FFFFFFFU);
    const float scaled = (magnitude * 0x1.0p+112F) * 0x1.0p-110F;
    const std::uint32_t exponent = twice & 0xFF000000U;
    const std::uint32_t bias = choose(exponent < 0x71000000U, 0x71000000U, exponent);
    const auto sum = std::bit_cast<std::uint32_t>(std::bit_cast<float>((bias >> 1U) + 0x07800000U) + scaled);
    const std::uint32_t number = ((sum >> 13U) & 0x7C00U) + (sum & 0x0FFFU);
    const std::uint32_t nan = 0x7E00U | ((w >> 13U) & 0x03FFU);
    return static_cast<std::uint16_t>(((w >> 16U) & 0x8000U) | choose(twice > 0xFF000000U, nan, number));
}

/// How an f8 type uses its bits.
struct F8Format {
    int exponent_bits;
    int bias;
    bool is_fnuz;
    bool has_infinity;
};

constexpr float f32_from_f8(F8Format format, unsigned v) {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    const int mantissa_bits = 7 - format.exponent_bits;
    const unsigned magnitude = v & 0x7FU;
    const bool negative = (v & 0x80U) != 0;
    const unsigned exponent = magnitude >> static_cast<unsigned>(mantissa_bits);
    const unsigned mantissa = magnitude & ((1U << static_cast<unsigned>(mantissa_bits)) - 1);
    const bool top = exponent == (1U << static_cast<unsigned>(format.exponent_bits)) - 1;
    if (format.is_fnuz && v == 0x80) return kNan;
    if (!format.is_fnuz && !format.has_infinity && magnitude == 0x7F) return negative ? -kNan : kNan;
    if (format.has_infinity && top) {
        const float value = mantissa == 0 ? std::numeric_limits<float>::infinity() : kNan;
        return negative ? -value : value;
    }
    const unsigned significand = exponent == 0 ? mantissa : mantissa + (1U << static_cast<unsigned>(mantissa_bits));
    auto value = static_cast<float>(significand);
    const int scale = (exponent == 0 ? 1 : static_cast<int>(exponent)) - format.bias - mantissa_bits;
    for (int i = 0; i < scale; ++i) value *= 2.0F;
    for (int i = 0; i > scale; --i) value *= 0.5F;
    return negative ? -value : value;
}

constexpr std::array<float, 256> f8_table(F8Format format) {
    std::array<float, 256> table{};
    for (unsigned v = 0; v < table.size(); ++v) table[v] = f32_from_f8(format, v);
    return table;
}

inline constexpr auto kF8E4m3 = f8_table({4, 7, false, false});
inline constexpr auto kF8E4m3Fnuz = f8_table({4, 8, true, false});
inline constexpr auto kF8E5m2 = f8_table({5, 15, false, true});
inline constexpr auto kF8E5m2Fnuz = f8_table({5, 16, true, false});

}  // namespace unshard
