// The operations on which ggml's bytes depend. All else is IEEE binary32 with one rounding an operation, in the order
// written, which is why this library is compiled with -ffp-contract=off and never with -ffast-math.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>

namespace unshard::gguf {

/// To nearest, ties to even, by adding 1.5 * 2^23 and reading the low bits. Beyond 2^22 the result is garbage, but the
/// same garbage as ggml's.
inline int nearest_int(float v) {
    return static_cast<int>(std::bit_cast<std::uint32_t>(v + 12582912.0f) & 0x7fffff) - 0x400000;
}

/// nearest_int(v) within [low, high].
inline int nearest_level(float v, int low, int high) {
    return std::max(low, std::min(high, nearest_int(v)));
}

/// The value of largest magnitude with its sign, the first of equals; +0 when there are only zeros.
inline float extreme(std::span<const float> values) {
    // The magnitude has its own variable because clang 19.1 -O3 compiles fabs(result) to result.
    float result = 0.0f, magnitude = 0.0f;
    for (const float v : values) {
        if (std::fabs(v) > magnitude) {
            magnitude = std::fabs(v);
            result = v;
        }
    }
    return result;
}

/// To nearest, ties to even; overflow to infinity; every NaN becomes the sign and 0x7e00.
inline std::uint16_t half_from_float(float v) {
    const auto bits = std::bit_cast<std::uint32_t>(v);
    const std::uint32_t sign = bits >> 16 & 0x8000;
    const std::uint32_t magnitude = bits & 0x7fffffff;
    std::uint32_t half;
    if (magnitude > 0x7f800000) {
        half = 0x7e00;
    } else if (magnitude >= 0x47800000) {  // 65536
        half = 0x7c00;
    } else if (magnitude < 0x38800000) {  // 2^-14: adding 0.5 makes the sum's last bit 2^-24, the step of subnormals
        half = std::bit_cast<std::uint32_t>(std::fabs(v) + 0.5f) - 0x3f000000;
    } else {  // the exponent's bias goes from 127 to 15
        half = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    }
    return static_cast<std::uint16_t>(sign | half);
}

inline float float_from_half(std::uint16_t half) {
    const std::uint32_t sign = (half & 0x8000u) << 16;
    const std::uint32_t exponent = half >> 10 & 0x1f;
    const std::uint32_t mantissa = half & 0x3ff;
    if (exponent == 0) {
        const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
        return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
    }
    const std::uint32_t biased = exponent == 0x1f ? 0xff : exponent + 112;
    return std::bit_cast<float>(sign | biased << 23 | mantissa << 13);
}

}  // namespace unshard::gguf
