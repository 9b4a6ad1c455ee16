// Two values as text.
#pragma once

#include "unshard/dtype.hpp"

#include <cstddef>
#include <span>
#include <string>

namespace unshard {

struct Element {
    DType dtype = DType::f32;
    std::span<const std::byte> bytes;
};

/// "0.5 and 0.25"; the bits of values that look alike, "0x7fc00001 and 0x7fc00002".
std::string both_values(const Element& a, const Element& b);

}  // namespace unshard
