// Compares two runs of elements, of the same type or of two types.
#pragma once

#include "unshard/dtype.hpp"

#include <cstddef>
#include <cstdint>
#include <span>

namespace unshard {

/// How far two runs of elements differ. Of one type, elements differ when their bytes do: 0 and -0 do, a NaN and the
/// same NaN do not. Of two types, elements differ when their values do, and any two NaNs are equal.
struct ValueDifference {
    std::uint64_t differing = 0;  ///< elements
    std::uint64_t first = 0;      ///< the first of them, when there is one
    double largest = 0;           ///< absolute difference, where neither is NaN; infinite beside an infinity
    std::uint64_t nans = 0;       ///< elements that are NaN on one side only

    /// Adds the difference of another part of the same tensor.
    void add(const ValueDifference& other);
    friend bool operator==(const ValueDifference&, const ValueDifference&) = default;
};

/// The elements of one side: bytes of whole elements.
struct Elements {
    DType dtype = DType::f32;
    std::span<const std::byte> bytes;

    std::uint64_t count() const { return bytes.size() / size_of(dtype); }
    std::span<const std::byte> operator[](std::uint64_t i) const {
        return bytes.subspan(i * size_of(dtype), size_of(dtype));
    }
};

/// Both sides have the same number of elements.
ValueDifference compare_values(const Elements& a, const Elements& b);

}  // namespace unshard
