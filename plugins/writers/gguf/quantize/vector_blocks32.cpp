// q8_0, q4_0, q4_1, q5_0 and q5_1 (ggml-quants.c: quantize_row_*_ref), with a block's values side by side. Only extremes
// are taken across lanes, and those do not depend on the order.

#include "blocks.hpp"
#include "kernels.hpp"
#include "pack.hpp"
#include "step.hpp"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector_blocks32.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "vector_level-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace unshard::gguf::vectorized::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, kBlockElems / 2>;
using V = hn::Vec<D>;

HWY_INLINE float largest_magnitude(const float* values) {
    const D d;
    V max = hn::Zero(d);
    for (std::size_t i = 0; i < kBlockElems; i += hn::Lanes(d)) {
        max = hn::Max(max, hn::Abs(hn::LoadU(d, values + i)));
    }
    return hn::GetLane(hn::MaxOfLanes(d, max));
}

/// The first element that has this magnitude, with its sign; +0 when that is 0.
HWY_INLINE float extreme(const float* values) {
    const D d;
    const float magnitude = largest_magnitude(values);
    if (magnitude == 0.0f) return 0.0f;
    for (std::size_t i = 0; i < kBlockElems; i += hn::Lanes(d)) {
        const auto found = hn::Eq(hn::Abs(hn::LoadU(d, values + i)), hn::Set(d, magnitude));
        if (!hn::AllFalse(d, found)) return values[i + static_cast<std::size_t>(hn::FindFirstTrue(d, found))];
    }
    return 0.0f;
}

struct Range {
    float min, max;
};

/// Whichever zero comes first, as in ggml; all other values have no equals to tell from.
HWY_INLINE float first_zero(const float* values) {
    std::size_t i = 0;
    while (values[i] != 0.0f) ++i;
    return values[i];
}

HWY_INLINE Range range(const float* values) {
    const D d;
    V min = hn::LoadU(d, values), max = min;
    for (std::size_t i = hn::Lanes(d); i < kBlockElems; i += hn::Lanes(d)) {
        const V x = hn::LoadU(d, values + i);
        min = hn::Min(min, x);
        max = hn::Max(max, x);
    }
    Range r{hn::GetLane(hn::MinOfLanes(d, min)), hn::GetLane(hn::MaxOfLanes(d, max))};
    if (r.min == 0.0f) r.min = first_zero(values);
    if (r.max == 0.0f) r.max = first_zero(values);
    return r;
}

/// (value - min) * inverse + offset, cut off at the point.
HWY_INLINE BlockLevels levels_of(const float* values, const Step& step, float min, float offset, int max_level) {
    const D d;
    const hn::RebindToSigned<D> integers;
    BlockLevels levels{};
    if (!step.usable) return levels;
    for (std::size_t i = 0; i < kBlockElems; i += hn::Lanes(d)) {
        const V x = hn::Sub(hn::LoadU(d, values + i), hn::Set(d, min));
        const V level = hn::Add(hn::Mul(x, hn::Set(d, step.inverse)), hn::Set(d, offset));
        store_levels(hn::Min(hn::ConvertTo(integers, level), hn::Set(integers, max_level)), levels.data() + i);
    }
    return levels;
}

HWY_INLINE Q8_0 make_q8_0(const float* values) {
    const D d;
    const hn::RebindToSigned<D> integers;
    const hn::Rebind<std::int8_t, D> bytes;
    const Step step = step_of(largest_magnitude(values) / 127.0f);
    Q8_0 block{step.half, {}};
    if (!step.usable) return block;
    for (std::size_t i = 0; i < kBlockElems; i += hn::Lanes(d)) {
        const V x = hn::Mul(hn::LoadU(d, values + i), hn::Set(d, step.inverse));
        // Halves go away from zero: add the greatest number below 0.5 and cut off. 0.5 itself would carry its lower
        // neighbour over.
        const V away = hn::Add(x, hn::CopySign(hn::Set(d, 0.49999997f), x));
        hn::StoreU(hn::DemoteTo(bytes, hn::ConvertTo(integers, away)), bytes, block.levels + i);
    }
    return block;
}

HWY_INLINE Q4_0 make_q4_0(const float* values) {
    const Step step = step_of(extreme(values) / -8.0f);
    Q4_0 block{step.half, {}};
    pack_nibbles(levels_of(values, step, 0.0f, 8.5f, 15), block.nibbles);
    return block;
}

HWY_INLINE Q4_1 make_q4_1(const float* values) {
    const Range r = range(values);
    const Step step = step_of((r.max - r.min) / 15.0f);
    Q4_1 block{step.half, half_from_float(r.min), {}};
    pack_nibbles(levels_of(values, step, r.min, 0.5f, 15), block.nibbles);
    return block;
}

HWY_INLINE Q5_0 make_q5_0(const float* values) {
    const Step step = step_of(extreme(values) / -16.0f);
    const BlockLevels levels = levels_of(values, step, 0.0f, 16.5f, 31);
    Q5_0 block{step.half, {}, {}};
    pack_nibbles(levels, block.nibbles);
    pack_fifth_bits(levels, block.fifth_bits);
    return block;
}

HWY_INLINE Q5_1 make_q5_1(const float* values) {
    const Range r = range(values);
    const Step step = step_of((r.max - r.min) / 31.0f);
    const BlockLevels levels = levels_of(values, step, r.min, 0.5f, 31);
    Q5_1 block{step.half, half_from_float(r.min), {}, {}};
    pack_nibbles(levels, block.nibbles);
    pack_fifth_bits(levels, block.fifth_bits);
    return block;
}

template <class Block, Block (*make)(const float*)>
HWY_INLINE void each_block(std::span<const float> values, std::byte* out) {
    for (std::size_t i = 0; i < values.size(); i += kBlockElems, out += sizeof(Block)) {
        const Block block = make(values.data() + i);
        std::memcpy(out, &block, sizeof block);
    }
}

void blocks_q8_0(std::span<const float> values, std::byte* out) {
    each_block<Q8_0, make_q8_0>(values, out);
}
void blocks_q4_0(std::span<const float> values, std::byte* out) {
    each_block<Q4_0, make_q4_0>(values, out);
}
void blocks_q4_1(std::span<const float> values, std::byte* out) {
    each_block<Q4_1, make_q4_1>(values, out);
}
void blocks_q5_0(std::span<const float> values, std::byte* out) {
    each_block<Q5_0, make_q5_0>(values, out);
}
void blocks_q5_1(std::span<const float> values, std::byte* out) {
    each_block<Q5_1, make_q5_1>(values, out);
}

}  // namespace
}  // namespace unshard::gguf::vectorized::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unshard::gguf::vectorized {
namespace {

HWY_EXPORT(blocks_q8_0);
HWY_EXPORT(blocks_q4_0);
HWY_EXPORT(blocks_q4_1);
HWY_EXPORT(blocks_q5_0);
HWY_EXPORT(blocks_q5_1);

}  // namespace

void q8_0(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(blocks_q8_0)(values, out);
}

void q4_0(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(blocks_q4_0)(values, out);
}

void q4_1(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(blocks_q4_1)(values, out);
}

void q5_0(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(blocks_q5_0)(values, out);
}

void q5_1(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(blocks_q5_1)(values, out);
}

}  // namespace unshard::gguf::vectorized
#endif
