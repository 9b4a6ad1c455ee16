// q3_k and q6_k: super-blocks of 256 values in 16 groups of 16, each group fitted by scale * (level - zero), with
// levels from 0 to 2 * zero - 1. The groups' scales are stored as small integers times one half.
//
// The work is in `fit` and `levels`, the kernels; symmetric.cpp has the rest.
#pragma once

#include "pack.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace unshard::gguf {

inline constexpr std::size_t kGroups = 16;
inline constexpr std::size_t kGroupElems = 16;

/// Below this magnitude ggml takes a group, or q6_k's scales, for zeros.
inline constexpr float kSmallest = 1e-15f;

using SuperBlock = std::span<const float, kSuperBlockElems>;

struct SymmetricFits {
    alignas(64) std::array<float, kGroups> scale;
    /// The fit's own levels, [element][group]: they are stored where the group's scale comes out as 0.
    alignas(64) std::array<std::array<std::uint8_t, kGroups>, kGroupElems> levels;
};

struct SymmetricKernels {
    void (*fit)(SuperBlock values, SymmetricFits& fits);
    /// nearest_level(value / scale) + zero. `scales`: of the groups, as they are stored.
    void (*levels)(SuperBlock values, const std::array<float, kGroups>& scales, const SymmetricFits& fits, int zero,
                   SuperBlockLevels& levels);
};

inline constexpr int kQ3Zero = 4;
inline constexpr int kQ6Zero = 32;

void quantize_q3_k(std::span<const float> values, std::byte* out, const SymmetricKernels& kernels);
void quantize_q6_k(std::span<const float> values, std::byte* out, const SymmetricKernels& kernels);

}  // namespace unshard::gguf
