// q2_k, q4_k, q5_k: super-blocks of 256 values in groups of 16 or 32, each group fitted by scale * level - min. The
// groups' scales and minimums are stored as small integers, times one half for all scales and one for all minimums.
//
// The work is in `fit` and `levels`, the kernels; affine.cpp has the rest.
#pragma once

#include "pack.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace unshard::gguf {

/// How many groups one call fits: a super-block with groups of 16, two with groups of 32.
inline constexpr std::size_t kFitGroups = 16;

using GroupFloats = std::array<float, kFitGroups>;

/// How ggml searches for a group's scale: tries 0 to last_try, each a step of 0.1 further from max_level + first_step.
struct AffineRule {
    std::size_t group_elems;
    int max_level;
    float first_step;
    int last_try;
    /// A value's weight is its magnitude, to which q4_k and q5_k, but not q2_k, add the group's root mean square.
    bool adds_root_mean_square;
    bool absolute_error;  // instead of squared
};
inline constexpr AffineRule kQ2Rule{16, 3, -0.5f, 15, false, true};
inline constexpr AffineRule kQ4Rule{32, 15, -1.0f, 20, true, false};
inline constexpr AffineRule kQ5Rule{32, 31, -0.5f, 15, true, false};

/// The best fit of each group; its levels are nearest_level(inverse * (value - origin)).
struct AffineFits {
    alignas(64) GroupFloats scale;
    alignas(64) GroupFloats min;  // with its sign turned: never below 0
    alignas(64) GroupFloats origin;
    alignas(64) GroupFloats inverse;
};

/// A group with its scale and minimum as they are stored: its levels are nearest_level((value + min) / scale), or, when
/// the scale came out as 0, those of the fit.
struct AffineGroup {
    float scale, min;
    float origin, inverse;
};

struct AffineKernels {
    /// At most kFitGroups groups.
    void (*fit)(const AffineRule& rule, std::span<const float> values, AffineFits& fits);
    void (*levels)(const AffineRule& rule, std::span<const float, kSuperBlockElems> values, const AffineGroup* groups,
                   SuperBlockLevels& levels);
};

void quantize_q2_k(std::span<const float> values, std::byte* out, const AffineKernels& kernels);
void quantize_q4_k(std::span<const float> values, std::byte* out, const AffineKernels& kernels);
void quantize_q5_k(std::span<const float> values, std::byte* out, const AffineKernels& kernels);

}  // namespace unshard::gguf
