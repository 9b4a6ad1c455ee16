// Arithmetic on numbers that come from files: it throws instead of wrapping.
#pragma once

#include "unshard/tools/error.hpp"

#include <cstdint>
#include <string>

namespace unshard {

/// a + b; throws Error when the sum does not fit 64 bits.
inline std::uint64_t checked_add(std::uint64_t a, std::uint64_t b) {
    std::uint64_t sum = 0;
    if (__builtin_add_overflow(a, b, &sum)) {
        throw Error("size overflow: " + std::to_string(a) + " + " + std::to_string(b) + " does not fit 64 bits");
    }
    return sum;
}

/// a * b; throws Error when the product does not fit 64 bits.
inline std::uint64_t checked_mul(std::uint64_t a, std::uint64_t b) {
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(a, b, &product)) {
        throw Error("size overflow: " + std::to_string(a) + " * " + std::to_string(b) + " does not fit 64 bits");
    }
    return product;
}

/// The smallest multiple of `multiple` (not 0) that is at least `value`; throws Error when it does not fit 64 bits.
inline std::uint64_t round_up(std::uint64_t value, std::uint64_t multiple) {
    const std::uint64_t rest = value % multiple;
    return rest == 0 ? value : checked_add(value, multiple - rest);
}

}  // namespace unshard
