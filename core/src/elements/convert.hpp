// Element types into one another, as PyTorch's `.to()` does it: to nearest, ties to even.
#pragma once

#include "unshard/dtype.hpp"

#include <cstddef>
#include <cstdint>

namespace unshard {

/// Whether elements of type `from` can be stored as `to`: as they are, or from any float to f64, f32, f16 and bf16.
bool is_convertible(DType from, DType to);

/// How elements change on their way. Values pass through f32; those of type f64 stay f64 until `add` has been added.
struct Conversion {
    DType from = DType::f32;
    DType to = DType::f32;
    double add = 0;
};

/// Whether the bytes stay as they are.
inline bool is_identity(const Conversion& c) {
    return c.from == c.to && c.add == 0;
}

/// Converts `count` elements. Returns how many finite ones became infinite. NaN stays NaN.
std::uint64_t convert(const Conversion& conversion, const std::byte* in, std::size_t count, std::byte* out);

/// Adds `count` elements of a float type to sums. From f64 to double, from all others to float.
void accumulate(DType from, const std::byte* in, std::size_t count, float* sums);
void accumulate(DType from, const std::byte* in, std::size_t count, double* sums);

}  // namespace unshard
