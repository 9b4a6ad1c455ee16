// From a super-block's fits to its bytes. (ggml-quants.c: quantize_row_q{3,6}_K_ref after make_q3_quants and
// make_qx_quants.)

#include "symmetric.hpp"

#include "arithmetic.hpp"

#include <cstring>

namespace unshard::gguf {
namespace {

/// Six bits each: the low four as nibbles (j, j + 8), then the high two, j % 4 choosing the byte and j / 4 the place.
void pack_scales(const std::array<int, kGroups>& scales, std::uint8_t (&bytes)[12]) {
    for (std::size_t j = 0; j < 8; ++j) {
        bytes[j] = static_cast<std::uint8_t>((scales[j] & 15) | (scales[j + 8] & 15) << 4);
    }
    for (std::size_t j = 0; j < 4; ++j) {
        bytes[j + 8] = static_cast<std::uint8_t>(scales[j] >> 4 | scales[j + 4] >> 4 << 2 | scales[j + 8] >> 4 << 4 |
                                                 scales[j + 12] >> 4 << 6);
    }
}

Q3K make_q3_k(SuperBlock values, const SymmetricKernels& kernels) {
    SymmetricFits fits;
    kernels.fit(values, fits);

    Q3K block{};
    std::array<int, kGroups> stored{};
    if (const float max = extreme(fits.scale); max != 0) {
        const float inverse = -32.0f / max;
        block.d = half_from_float(1.0f / inverse);
        for (std::size_t j = 0; j < kGroups; ++j) {
            const auto scale = static_cast<std::int8_t>(nearest_int(inverse * fits.scale[j]));
            stored[j] = std::max(-32, std::min<int>(31, scale)) + 32;
        }
    }
    pack_scales(stored, block.scales);

    std::array<float, kGroups> scales;
    for (std::size_t j = 0; j < kGroups; ++j) {
        scales[j] = float_from_half(block.d) * static_cast<float>(stored[j] - 32);
    }
    SuperBlockLevels levels;
    kernels.levels(values, scales, fits, kQ3Zero, levels);
    pack_quarters(levels, block.quarters);
    pack_bits(levels, 2, block.third_bits);
    return block;
}

/// The low four bits: a byte has the levels l and l + 64 of 128.
void pack_q6_nibbles(const SuperBlockLevels& levels, std::uint8_t (&bytes)[128]) {
    for (std::size_t half = 0; half < 2; ++half) {
        const std::uint8_t* from = levels.data() + 128 * half;
        for (std::size_t l = 0; l < 64; ++l) {
            bytes[64 * half + l] = static_cast<std::uint8_t>((from[l] & 15) | (from[l + 64] & 15) << 4);
        }
    }
}

Q6K make_q6_k(SuperBlock values, const SymmetricKernels& kernels) {
    SymmetricFits fits;
    kernels.fit(values, fits);

    Q6K block{};
    const float max = extreme(fits.scale);
    if (std::fabs(max) < kSmallest) return block;
    const float inverse = -128.0f / max;
    block.d = half_from_float(1.0f / inverse);
    std::array<float, kGroups> scales;
    for (std::size_t j = 0; j < kGroups; ++j) {
        block.scales[j] = static_cast<std::int8_t>(std::min(127, nearest_int(inverse * fits.scale[j])));
        scales[j] = float_from_half(block.d) * block.scales[j];
    }
    SuperBlockLevels levels;
    kernels.levels(values, scales, fits, kQ6Zero, levels);
    pack_q6_nibbles(levels, block.nibbles);
    SuperBlockLevels upper;
    for (std::size_t i = 0; i < levels.size(); ++i) upper[i] = levels[i] >> 4;
    pack_quarters(upper, block.upper_bits);
    return block;
}

template <class Block>
void quantize(std::span<const float> values, std::byte* out, const SymmetricKernels& kernels,
              Block (*make)(SuperBlock, const SymmetricKernels&)) {
    for (; !values.empty(); values = values.subspan(kSuperBlockElems), out += sizeof(Block)) {
        const Block block = make(values.first<kSuperBlockElems>(), kernels);
        std::memcpy(out, &block, sizeof block);
    }
}

}  // namespace

void quantize_q3_k(std::span<const float> values, std::byte* out, const SymmetricKernels& kernels) {
    quantize(values, out, kernels, make_q3_k);
}

void quantize_q6_k(std::span<const float> values, std::byte* out, const SymmetricKernels& kernels) {
    quantize(values, out, kernels, make_q6_k);
}

}  // namespace unshard::gguf
