// From an integer dtype to the C++ type of its elements.
#pragma once

#include "unshard/dtype.hpp"

#include <cstdint>

namespace unshard {

/// Calls `use` with a zero of the elements' type (a byte of bool, f8e8m0 and f4x2); false when the
/// dtype is no integer.
template <class Use>
bool with_integer(DType dtype, Use use) {
    switch (dtype) {
        case DType::i64:
            return use(std::int64_t{}), true;
        case DType::i32:
            return use(std::int32_t{}), true;
        case DType::i16:
            return use(std::int16_t{}), true;
        case DType::i8:
            return use(std::int8_t{}), true;
        case DType::u64:
            return use(std::uint64_t{}), true;
        case DType::u32:
            return use(std::uint32_t{}), true;
        case DType::u16:
            return use(std::uint16_t{}), true;
        case DType::u8:
        case DType::boolean:
        case DType::f8e8m0:
        case DType::f4x2:
            return use(std::uint8_t{}), true;
        default:
            return false;
    }
}

}  // namespace unshard
