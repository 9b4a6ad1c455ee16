// The search of q2_k, q4_k and q5_k (ggml-quants.c: make_qkx2_quants, and the weights of its callers), with one group
// in each lane: every sum is taken in ggml's order of the elements, so every byte comes out the same.

#include "affine.hpp"
#include "kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector_affine.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "vector_level-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace unshard::gguf::vectorized::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, kFitGroups>;
using V = hn::Vec<D>;

constexpr std::size_t kMaxElems = 32;

/// [element][group]; groups that are not there are zeros.
struct Columns {
    alignas(64) float values[kMaxElems][kFitGroups];
    alignas(64) float weights[kMaxElems][kFitGroups];
};

struct Fit {
    V scale, min;
    V origin, inverse;
};

/// As many groups as there are lanes, from `lane` on.
struct Groups {
    const AffineRule& rule;
    const Columns& columns;
    std::size_t lane;
    V sum_w, sum_x;
    V min, max;
};

void transpose(const AffineRule& rule, std::span<const float> values, Columns& columns) {
    const std::size_t groups = values.size() / rule.group_elems;
    for (std::size_t i = 0; i < rule.group_elems; ++i) {
        for (std::size_t j = 0; j < groups; ++j) columns.values[i][j] = values[j * rule.group_elems + i];
        for (std::size_t j = groups; j < kFitGroups; ++j) columns.values[i][j] = 0.0f;
    }
}

V root_mean_square(const AffineRule& rule, const Columns& columns, std::size_t lane) {
    const D d;
    V sum = hn::Zero(d);
    for (std::size_t i = 0; i < rule.group_elems; ++i) {
        const V x = hn::Load(d, columns.values[i] + lane);
        sum = hn::Add(sum, hn::Mul(x, x));
    }
    return hn::Sqrt(hn::Div(sum, hn::Set(d, static_cast<float>(rule.group_elems))));
}

Groups groups_of(const AffineRule& rule, Columns& columns, std::size_t lane) {
    const D d;
    const V base = rule.adds_root_mean_square ? root_mean_square(rule, columns, lane) : hn::Zero(d);
    const V first = hn::Load(d, columns.values[0] + lane);
    Groups g{rule, columns, lane, hn::Zero(d), hn::Zero(d), first, first};
    for (std::size_t i = 0; i < rule.group_elems; ++i) {
        const V x = hn::Load(d, columns.values[i] + lane);
        const V weight = hn::Add(base, hn::Abs(x));
        hn::Store(weight, d, columns.weights[i] + lane);
        g.sum_w = hn::Add(g.sum_w, weight);
        g.sum_x = hn::Add(g.sum_x, hn::Mul(weight, x));
        g.min = hn::IfThenElse(hn::Lt(x, g.min), x, g.min);
        g.max = hn::IfThenElse(hn::Gt(x, g.max), x, g.max);
    }
    g.min = hn::IfThenElse(hn::Gt(g.min, hn::Zero(d)), hn::Zero(d), g.min);
    return g;
}

struct Sums {
    V l, l2, xl;
};

/// Also leaves the levels behind, for error_of.
HWY_INLINE Sums levels_and_sums(const Groups& g, V origin, V inverse, float (&levels)[kMaxElems][kFitGroups]) {
    const D d;
    const auto low = hn::Zero(hn::RebindToSigned<D>());
    const auto high = hn::Set(hn::RebindToSigned<D>(), g.rule.max_level);
    Sums sums{hn::Zero(d), hn::Zero(d), hn::Zero(d)};
    for (std::size_t i = 0; i < g.rule.group_elems; ++i) {
        const V x = hn::Load(d, g.columns.values[i] + g.lane);
        const V weight = hn::Load(d, g.columns.weights[i] + g.lane);
        const V level = hn::ConvertTo(d, nearest_level(d, hn::Mul(inverse, hn::Sub(x, origin)), low, high));
        hn::Store(level, d, levels[i]);
        const V weighted = hn::Mul(weight, level);
        sums.l = hn::Add(sums.l, weighted);
        sums.l2 = hn::Add(sums.l2, hn::Mul(weighted, level));
        sums.xl = hn::Add(sums.xl, hn::Mul(weighted, x));
    }
    return sums;
}

template <bool absolute>
HWY_INLINE V error_of(const Groups& g, V scale, V min, const float (&levels)[kMaxElems][kFitGroups]) {
    const D d;
    V error = hn::Zero(d);
    for (std::size_t i = 0; i < g.rule.group_elems; ++i) {
        const V x = hn::Load(d, g.columns.values[i] + g.lane);
        const V weight = hn::Load(d, g.columns.weights[i] + g.lane);
        const V difference = hn::Sub(hn::Add(hn::Mul(scale, hn::Load(d, levels[i])), min), x);
        const V size = absolute ? hn::Abs(difference) : hn::Mul(difference, difference);
        error = hn::Add(error, hn::Mul(weight, size));
    }
    return error;
}

template <bool absolute>
Fit best_fit(const Groups& g) {
    const D d;
    const V zero = hn::Zero(d);
    alignas(64) float levels[kMaxElems][kFitGroups];
    const auto max_level = static_cast<float>(g.rule.max_level);

    const V inverse = hn::Div(hn::Set(d, max_level), hn::Sub(g.max, g.min));
    Fit best{hn::Div(hn::Set(d, 1.0f), inverse), g.min, g.min, inverse};
    levels_and_sums(g, best.origin, best.inverse, levels);
    V least = error_of<absolute>(g, best.scale, best.min, levels);
    for (int i = 0; i <= g.rule.last_try; ++i) {
        const float wanted = g.rule.first_step + 0.1f * static_cast<float>(i) + max_level;
        Fit fit{zero, zero, best.min, hn::Div(hn::Set(d, wanted), hn::Sub(g.max, best.min))};
        const Sums s = levels_and_sums(g, fit.origin, fit.inverse, levels);
        const V determinant = hn::Sub(hn::Mul(g.sum_w, s.l2), hn::Mul(s.l, s.l));
        fit.scale = hn::Div(hn::Sub(hn::Mul(g.sum_w, s.xl), hn::Mul(g.sum_x, s.l)), determinant);
        fit.min = hn::Div(hn::Sub(hn::Mul(s.l2, g.sum_x), hn::Mul(s.l, s.xl)), determinant);
        const auto above = hn::Gt(fit.min, zero);
        fit.min = hn::IfThenElse(above, zero, fit.min);
        fit.scale = hn::IfThenElse(above, hn::Div(s.xl, s.l2), fit.scale);

        const V error = error_of<absolute>(g, fit.scale, fit.min, levels);
        const auto better = hn::And(hn::Gt(determinant, zero), hn::Lt(error, least));
        least = hn::IfThenElse(better, error, least);
        best.scale = hn::IfThenElse(better, fit.scale, best.scale);
        best.min = hn::IfThenElse(better, fit.min, best.min);
        best.origin = hn::IfThenElse(better, fit.origin, best.origin);
        best.inverse = hn::IfThenElse(better, fit.inverse, best.inverse);
    }
    const auto flat = hn::Eq(g.max, g.min);
    return {hn::IfThenElse(flat, zero, best.scale), hn::IfThenElse(flat, g.min, best.min),
            hn::IfThenElse(flat, zero, best.origin), hn::IfThenElse(flat, zero, best.inverse)};
}

void fit(const AffineRule& rule, std::span<const float> values, AffineFits& fits) {
    const D d;
    Columns columns;
    transpose(rule, values, columns);
    for (std::size_t lane = 0; lane < kFitGroups; lane += hn::Lanes(d)) {
        const Groups g = groups_of(rule, columns, lane);
        const Fit best = rule.absolute_error ? best_fit<true>(g) : best_fit<false>(g);
        hn::Store(best.scale, d, fits.scale.data() + lane);
        hn::Store(hn::Neg(best.min), d, fits.min.data() + lane);
        hn::Store(best.origin, d, fits.origin.data() + lane);
        hn::Store(best.inverse, d, fits.inverse.data() + lane);
    }
}

void levels(const AffineRule& rule, std::span<const float, kSuperBlockElems> values, const AffineGroup* groups,
            SuperBlockLevels& levels) {
    const D d;
    const auto low = hn::Zero(hn::RebindToSigned<D>());
    const auto high = hn::Set(hn::RebindToSigned<D>(), rule.max_level);
    for (std::size_t i = 0; i < values.size(); i += hn::Lanes(d)) {
        const AffineGroup& g = groups[i / rule.group_elems];
        const V x = hn::LoadU(d, values.data() + i);
        const V level = g.scale == 0 ? hn::Mul(hn::Set(d, g.inverse), hn::Sub(x, hn::Set(d, g.origin)))
                                     : hn::Div(hn::Add(x, hn::Set(d, g.min)), hn::Set(d, g.scale));
        store_levels(nearest_level(d, level, low, high), levels.data() + i);
    }
}

constexpr AffineKernels kKernels{fit, levels};

void blocks_q2_k(std::span<const float> values, std::byte* out) {
    quantize_q2_k(values, out, kKernels);
}

void blocks_q4_k(std::span<const float> values, std::byte* out) {
    quantize_q4_k(values, out, kKernels);
}

void blocks_q5_k(std::span<const float> values, std::byte* out) {
    quantize_q5_k(values, out, kKernels);
}

}  // namespace
}  // namespace unshard::gguf::vectorized::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unshard::gguf::vectorized {
namespace {

HWY_EXPORT(blocks_q2_k);
HWY_EXPORT(blocks_q4_k);
HWY_EXPORT(blocks_q5_k);

}  // namespace

void q2_k(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(blocks_q2_k)(values, out);
}

void q4_k(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(blocks_q4_k)(values, out);
}

void q5_k(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(blocks_q5_k)(values, out);
}

}  // namespace unshard::gguf::vectorized
#endif
