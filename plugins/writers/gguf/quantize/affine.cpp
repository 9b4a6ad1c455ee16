// From a super-block's fits to its bytes. (ggml-quants.c: quantize_row_q{2,4,5}_K_ref after make_qkx2_quants.)

#include "affine.hpp"

#include "arithmetic.hpp"
#include "pack.hpp"

#include <cstring>

namespace unshard::gguf {
namespace {

/// One super-block's scales and minimums, as integers to be multiplied by d and m.
struct Scales {
    std::uint16_t d, m;
    std::array<std::uint8_t, kFitGroups> scale, min;
};

float largest(std::span<const float> values) {
    float max = 0.0f;
    for (const float v : values) {
        if (v > max) max = v;
    }
    return max;
}

/// The cast to a byte comes before any limit, as in ggml: of the garbage of an infinity it leaves 0.
std::uint8_t to_byte(float v) {
    return static_cast<std::uint8_t>(nearest_int(v));
}

Scales scales_of(std::span<const float> scales, std::span<const float> mins, float steps) {
    const float max_scale = largest(scales), max_min = largest(mins);
    const float inverse_scale = max_scale > 0 ? steps / max_scale : 0.0f;
    const float inverse_min = max_min > 0 ? steps / max_min : 0.0f;
    Scales s{half_from_float(max_scale / steps), half_from_float(max_min / steps), {}, {}};
    for (std::size_t j = 0; j < scales.size(); ++j) {
        s.scale[j] = to_byte(inverse_scale * scales[j]);
        s.min[j] = to_byte(inverse_min * mins[j]);
    }
    return s;
}

Scales store_scales(std::span<const float> scales, std::span<const float> mins, Q2K& block) {
    Scales s = scales_of(scales, mins, 15.0f);
    for (std::size_t j = 0; j < scales.size(); ++j) {
        block.scales[j] = static_cast<std::uint8_t>(s.scale[j] | s.min[j] << 4);
        s.scale[j] = block.scales[j] & 15;
        s.min[j] = block.scales[j] >> 4;
    }
    return s;
}

template <class Block>
Scales store_scales(std::span<const float> scales, std::span<const float> mins, Block& block) {
    Scales s = scales_of(scales, mins, 63.0f);
    for (std::size_t j = 0; j < scales.size(); ++j) {
        s.scale[j] = std::min<std::uint8_t>(63, s.scale[j]);
        s.min[j] = std::min<std::uint8_t>(63, s.min[j]);
    }
    pack_six_bits(s.scale, s.min, block.scales);
    return s;
}

void store_levels(const SuperBlockLevels& levels, Q2K& block) {
    pack_quarters(levels, block.quarters);
}

void store_levels(const SuperBlockLevels& levels, Q4K& block) {
    pack_nibbles(levels, block.nibbles);
}

void store_levels(const SuperBlockLevels& levels, Q5K& block) {
    pack_nibbles(levels, block.nibbles);
    pack_bits(levels, 4, block.fifth_bits);
}

/// `first`: the super-block's first group among those that were fitted together.
template <class Block>
Block make_block(const AffineRule& rule, std::span<const float, kSuperBlockElems> values, const AffineFits& fits,
                 std::size_t first, const AffineKernels& kernels) {
    const std::size_t count = kSuperBlockElems / rule.group_elems;
    Block block{};
    const Scales s =
        store_scales(std::span(fits.scale).subspan(first, count), std::span(fits.min).subspan(first, count), block);
    block.d = s.d;
    block.m = s.m;

    const float d = float_from_half(s.d), m = float_from_half(s.m);
    std::array<AffineGroup, kFitGroups> groups;
    for (std::size_t j = 0; j < count; ++j) {
        groups[j] = {d * static_cast<float>(s.scale[j]), m * static_cast<float>(s.min[j]), fits.origin[first + j],
                     fits.inverse[first + j]};
    }
    SuperBlockLevels levels;
    kernels.levels(rule, values, groups.data(), levels);
    store_levels(levels, block);
    return block;
}

template <class Block>
void quantize(const AffineRule& rule, std::span<const float> values, std::byte* out, const AffineKernels& kernels) {
    AffineFits fits;
    while (!values.empty()) {
        const auto batch = values.first(std::min(values.size(), kFitGroups * rule.group_elems));
        kernels.fit(rule, batch, fits);
        for (std::size_t at = 0; at < batch.size(); at += kSuperBlockElems, out += sizeof(Block)) {
            const auto super_block = batch.subspan(at).first<kSuperBlockElems>();
            const auto block = make_block<Block>(rule, super_block, fits, at / rule.group_elems, kernels);
            std::memcpy(out, &block, sizeof block);
        }
        values = values.subspan(batch.size());
    }
}

}  // namespace

void quantize_q2_k(std::span<const float> values, std::byte* out, const AffineKernels& kernels) {
    quantize<Q2K>(kQ2Rule, values, out, kernels);
}

void quantize_q4_k(std::span<const float> values, std::byte* out, const AffineKernels& kernels) {
    quantize<Q4K>(kQ4Rule, values, out, kernels);
}

void quantize_q5_k(std::span<const float> values, std::byte* out, const AffineKernels& kernels) {
    quantize<Q5K>(kQ5Rule, values, out, kernels);
}

}  // namespace unshard::gguf
