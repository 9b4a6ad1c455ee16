// What the blocks of 32 share: the distance between two levels, and when it is of no use.
#pragma once

#include "arithmetic.hpp"

#include <cmath>
#include <cstdint>

namespace unshard::gguf {

struct Step {
    std::uint16_t half;
    float inverse;  // of the step before it was rounded to the half; 0 for a step of 0
    /// False when step or inverse overflowed (values of about 1e-39, or a range beyond 3.4e38). Every product is then
    /// an infinity or a NaN, of which x86 makes an integer whose low byte is 0: all levels are 0.
    bool usable;
};

inline Step step_of(float d) {
    const float inverse = d != 0.0f ? 1.0f / d : 0.0f;
    return {half_from_float(d), inverse, std::isfinite(d) && std::isfinite(inverse)};
}

}  // namespace unshard::gguf
