// The searches of q3_k and q6_k (ggml-quants.c: make_q3_quants with do_rmse, make_qx_quants with rmse_type 1), with one
// group in each lane: every sum is taken in ggml's order of the elements, so every byte comes out the same.

#include "kernels.hpp"
#include "symmetric.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector_symmetric.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "vector_level-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace unshard::gguf::vectorized::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, kGroups>;
using V = hn::Vec<D>;
using I = hn::Vec<hn::RebindToSigned<D>>;

/// [element][group]
using Column = float[kGroupElems][kGroups];

struct Columns {
    alignas(64) Column x;
    alignas(64) Column x2;  // the weights
    alignas(64) Column x3;
};

struct Sums {
    V xl, l2;
};

Columns columns_of(SuperBlock values) {
    Columns c;
    for (std::size_t i = 0; i < kGroupElems; ++i) {
        for (std::size_t j = 0; j < kGroups; ++j) {
            const float x = values[j * kGroupElems + i];
            c.x[i][j] = x;
            c.x2[i][j] = x * x;
            c.x3[i][j] = x * x * x;
        }
    }
    return c;
}

/// Of each group, the element of largest magnitude with its sign, the first of equals.
V extremes(const Columns& c, std::size_t lane) {
    const D d;
    V result = hn::Zero(d), magnitude = hn::Zero(d);
    for (const auto& values : c.x) {
        const V x = hn::Load(d, values + lane);
        result = hn::IfThenElse(hn::Gt(hn::Abs(x), magnitude), x, result);
        magnitude = hn::Max(magnitude, hn::Abs(x));
    }
    return result;
}

HWY_INLINE I level_of(V v, int zero) {
    const hn::RebindToSigned<D> integers;
    return nearest_level(D(), v, hn::Set(integers, -zero), hn::Set(integers, zero - 1));
}

HWY_INLINE Sums sums_of(const Columns& c, std::size_t lane, V inverse, int zero) {
    const D d;
    Sums sums{hn::Zero(d), hn::Zero(d)};
    for (std::size_t i = 0; i < kGroupElems; ++i) {
        const V level = hn::ConvertTo(d, level_of(hn::Mul(inverse, hn::Load(d, c.x[i] + lane)), zero));
        sums.xl = hn::Add(sums.xl, hn::Mul(hn::Load(d, c.x3[i] + lane), level));
        sums.l2 = hn::Add(sums.l2, hn::Mul(hn::Mul(hn::Load(d, c.x2[i] + lane), level), level));
    }
    return sums;
}

/// Levels of groups that count as zeros are 0, which is not the level of a zero: ggml's doing.
HWY_INLINE void store_fit(V scale, hn::Mask<D> is_zero, std::size_t lane, SymmetricFits& fits) {
    const D d;
    hn::Store(hn::IfThenZeroElse(is_zero, scale), d, fits.scale.data() + lane);
}

HWY_INLINE void store_fit_levels(I level, hn::Mask<D> is_zero, int zero, std::uint8_t* out) {
    const hn::RebindToSigned<D> integers;
    const I biased = hn::Add(level, hn::Set(integers, zero));
    store_levels(hn::IfThenZeroElse(hn::RebindMask(integers, is_zero), biased), out);
}

void fit_q6_groups(const Columns& c, std::size_t lane, SymmetricFits& fits) {
    const D d;
    const V max = extremes(c, lane);
    V inverse = hn::Div(hn::Set(d, -static_cast<float>(kQ6Zero)), max);
    Sums sums = sums_of(c, lane, inverse, kQ6Zero);
    V scale = hn::IfThenZeroElse(hn::Eq(sums.l2, hn::Zero(d)), hn::Div(sums.xl, sums.l2));
    V most = hn::Mul(scale, sums.xl);
    for (int i = -9; i <= 9; ++i) {
        if (i == 0) continue;
        const V next = hn::Div(hn::Set(d, -(kQ6Zero + 0.1f * static_cast<float>(i))), max);
        sums = sums_of(c, lane, next, kQ6Zero);
        const auto better =
            hn::And(hn::Gt(sums.l2, hn::Zero(d)), hn::Gt(hn::Mul(sums.xl, sums.xl), hn::Mul(most, sums.l2)));
        inverse = hn::IfThenElse(better, next, inverse);
        scale = hn::IfThenElse(better, hn::Div(sums.xl, sums.l2), scale);
        most = hn::IfThenElse(better, hn::Mul(scale, sums.xl), most);
    }
    const auto is_zero = hn::Lt(hn::Abs(max), hn::Set(d, kSmallest));
    store_fit(scale, is_zero, lane, fits);
    for (std::size_t i = 0; i < kGroupElems; ++i) {
        const I level = level_of(hn::Mul(inverse, hn::Load(d, c.x[i] + lane)), kQ6Zero);
        store_fit_levels(level, is_zero, kQ6Zero, fits.levels[i].data() + lane);
    }
}

/// One element of each group; true when a level was moved.
HWY_INLINE bool refine(const Columns& c, std::size_t i, std::size_t lane, float* levels, Sums& sums) {
    const D d;
    const V x = hn::Load(d, c.x[i] + lane), x2 = hn::Load(d, c.x2[i] + lane), x3 = hn::Load(d, c.x3[i] + lane);
    const V old = hn::Load(d, levels);
    Sums moved{hn::Sub(sums.xl, hn::Mul(x3, old)), hn::Sub(sums.l2, hn::Mul(hn::Mul(x2, old), old))};
    const auto positive = hn::Gt(moved.xl, hn::Zero(d));
    const V now = hn::ConvertTo(d, level_of(hn::Div(hn::Mul(x, moved.l2), moved.xl), kQ3Zero));
    moved.xl = hn::Add(moved.xl, hn::Mul(x3, now));
    moved.l2 = hn::Add(moved.l2, hn::Mul(hn::Mul(x2, now), now));
    const auto better =
        hn::Gt(hn::Mul(hn::Mul(moved.xl, moved.xl), sums.l2), hn::Mul(hn::Mul(sums.xl, sums.xl), moved.l2));
    const auto moves = hn::And(hn::And(positive, hn::Ne(now, old)), hn::And(hn::Gt(moved.l2, hn::Zero(d)), better));
    hn::Store(hn::IfThenElse(moves, now, old), d, levels);
    sums.xl = hn::IfThenElse(moves, moved.xl, sums.xl);
    sums.l2 = hn::IfThenElse(moves, moved.l2, sums.l2);
    return !hn::AllFalse(d, moves);
}

void fit_q3_groups(const Columns& c, std::size_t lane, SymmetricFits& fits) {
    const D d;
    const V max = extremes(c, lane);
    const V inverse = hn::Div(hn::Set(d, -static_cast<float>(kQ3Zero)), max);
    alignas(64) Column levels;
    for (std::size_t i = 0; i < kGroupElems; ++i) {
        const I level = level_of(hn::Mul(inverse, hn::Load(d, c.x[i] + lane)), kQ3Zero);
        hn::Store(hn::ConvertTo(d, level), d, levels[i]);
    }
    Sums sums = sums_of(c, lane, inverse, kQ3Zero);
    bool changed = true;  // A pass that moves none of a group's levels would move none the next time.
    for (int pass = 0; changed && pass < 5; ++pass) {
        changed = false;
        for (std::size_t i = 0; i < kGroupElems; ++i) changed |= refine(c, i, lane, levels[i], sums);
    }
    const V scale = hn::IfThenElseZero(hn::Gt(sums.l2, hn::Zero(d)), hn::Div(sums.xl, sums.l2));
    const auto is_zero = hn::Lt(hn::Abs(max), hn::Set(d, kSmallest));
    store_fit(scale, is_zero, lane, fits);
    for (std::size_t i = 0; i < kGroupElems; ++i) {
        const I level = hn::ConvertTo(hn::RebindToSigned<D>(), hn::Load(d, levels[i]));
        store_fit_levels(level, is_zero, kQ3Zero, fits.levels[i].data() + lane);
    }
}

void fit_q3(SuperBlock values, SymmetricFits& fits) {
    const Columns c = columns_of(values);
    for (std::size_t lane = 0; lane < kGroups; lane += hn::Lanes(D())) fit_q3_groups(c, lane, fits);
}

void fit_q6(SuperBlock values, SymmetricFits& fits) {
    const Columns c = columns_of(values);
    for (std::size_t lane = 0; lane < kGroups; lane += hn::Lanes(D())) fit_q6_groups(c, lane, fits);
}

void levels(SuperBlock values, const std::array<float, kGroups>& scales, const SymmetricFits& fits, int zero,
            SuperBlockLevels& levels) {
    const D d;
    const hn::RebindToSigned<D> integers;
    for (std::size_t j = 0; j < kGroups; ++j) {
        std::uint8_t* out = levels.data() + j * kGroupElems;
        if (scales[j] == 0) {
            for (std::size_t i = 0; i < kGroupElems; ++i) out[i] = fits.levels[i][j];
            continue;
        }
        for (std::size_t i = 0; i < kGroupElems; i += hn::Lanes(d)) {
            const V x = hn::LoadU(d, values.data() + j * kGroupElems + i);
            const I level = level_of(hn::Div(x, hn::Set(d, scales[j])), zero);
            store_levels(hn::Add(level, hn::Set(integers, zero)), out + i);
        }
    }
}

void blocks_q3_k(std::span<const float> values, std::byte* out) {
    quantize_q3_k(values, out, {fit_q3, levels});
}

void blocks_q6_k(std::span<const float> values, std::byte* out) {
    quantize_q6_k(values, out, {fit_q6, levels});
}

}  // namespace
}  // namespace unshard::gguf::vectorized::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unshard::gguf::vectorized {
namespace {

HWY_EXPORT(blocks_q3_k);
HWY_EXPORT(blocks_q6_k);

}  // namespace

void q3_k(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(blocks_q3_k)(values, out);
}

void q6_k(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(blocks_q6_k)(values, out);
}

}  // namespace unshard::gguf::vectorized
#endif
