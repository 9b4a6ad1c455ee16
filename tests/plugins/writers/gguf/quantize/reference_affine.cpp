// The scalar search of q2_k, q4_k and q5_k. (ggml-quants.c: make_qkx2_quants, and the weights of its callers.)

#include "reference.hpp"

#include "quantize/affine.hpp"
#include "quantize/arithmetic.hpp"

#include <algorithm>
#include <cmath>

namespace unshard::gguf::reference {
namespace {

struct Fit {
    float scale, min;
    float origin, inverse;
};

struct Group {
    const AffineRule& rule;
    std::span<const float> values;
    std::array<float, 32> weights;
    float sum_w, sum_x;  // of weights; of weighted values
    float min, max;
};

Group group_of(const AffineRule& rule, std::span<const float> values) {
    Group g{rule, values, {}, 0.0f, 0.0f, values[0], values[0]};
    float root_mean_square = 0.0f;
    if (rule.adds_root_mean_square) {
        float sum = 0.0f;
        for (const float v : values) sum += v * v;
        root_mean_square = std::sqrt(sum / static_cast<float>(values.size()));
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
        g.weights[i] = root_mean_square + std::fabs(values[i]);
        g.sum_w += g.weights[i];
        g.sum_x += g.weights[i] * values[i];
        if (values[i] < g.min) g.min = values[i];
        if (values[i] > g.max) g.max = values[i];
    }
    if (g.min > 0) g.min = 0.0f;
    return g;
}

float level_of(const Group& g, const Fit& fit, std::size_t i) {
    return static_cast<float>(nearest_level(fit.inverse * (g.values[i] - fit.origin), 0, g.rule.max_level));
}

float error_of(const Group& g, const Fit& fit) {
    float error = 0.0f;
    for (std::size_t i = 0; i < g.values.size(); ++i) {
        const float difference = fit.scale * level_of(g, fit, i) + fit.min - g.values[i];
        error += g.weights[i] * (g.rule.absolute_error ? std::fabs(difference) : difference * difference);
    }
    return error;
}

/// The scale and minimum of least weighted squares for the levels that `fit` stands for; false when there is none.
bool solve(const Group& g, Fit& fit) {
    float sum_l = 0.0f, sum_l2 = 0.0f, sum_xl = 0.0f;
    for (std::size_t i = 0; i < g.values.size(); ++i) {
        const float level = level_of(g, fit, i);
        const float weighted = g.weights[i] * level;
        sum_l += weighted;
        sum_l2 += weighted * level;
        sum_xl += weighted * g.values[i];
    }
    const float determinant = g.sum_w * sum_l2 - sum_l * sum_l;
    if (!(determinant > 0)) return false;
    fit.scale = (g.sum_w * sum_xl - g.sum_x * sum_l) / determinant;
    fit.min = (sum_l2 * g.sum_x - sum_l * sum_xl) / determinant;
    if (fit.min > 0) {
        fit.min = 0.0f;
        fit.scale = sum_xl / sum_l2;
    }
    return true;
}

Fit best_fit(const Group& g) {
    if (g.max == g.min) return {0.0f, g.min, 0.0f, 0.0f};
    const auto max_level = static_cast<float>(g.rule.max_level);
    const float inverse = max_level / (g.max - g.min);
    Fit best{1.0f / inverse, g.min, g.min, inverse};
    float least = error_of(g, best);
    for (int i = 0; i <= g.rule.last_try; ++i) {
        // Each try starts from the best minimum so far.
        const float range = g.max - best.min;
        Fit fit{0.0f, 0.0f, best.min, (g.rule.first_step + 0.1f * static_cast<float>(i) + max_level) / range};
        if (!solve(g, fit)) continue;
        const float error = error_of(g, fit);
        if (error < least) {
            least = error;
            best = fit;
        }
    }
    return best;
}

void fit(const AffineRule& rule, std::span<const float> values, AffineFits& fits) {
    for (std::size_t j = 0; j * rule.group_elems < values.size(); ++j) {
        const Fit best = best_fit(group_of(rule, values.subspan(j * rule.group_elems, rule.group_elems)));
        fits.scale[j] = best.scale;
        fits.min[j] = -best.min;
        fits.origin[j] = best.origin;
        fits.inverse[j] = best.inverse;
    }
}

void levels(const AffineRule& rule, std::span<const float, kSuperBlockElems> values, const AffineGroup* groups,
            SuperBlockLevels& levels) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        const AffineGroup& g = groups[i / rule.group_elems];
        const float level = g.scale == 0 ? g.inverse * (values[i] - g.origin) : (values[i] + g.min) / g.scale;
        levels[i] = static_cast<std::uint8_t>(nearest_level(level, 0, rule.max_level));
    }
}

constexpr AffineKernels kKernels{fit, levels};

}  // namespace

void q2_k(std::span<const float> values, std::byte* out) {
    quantize_q2_k(values, out, kKernels);
}

void q4_k(std::span<const float> values, std::byte* out) {
    quantize_q4_k(values, out, kKernels);
}

void q5_k(std::span<const float> values, std::byte* out) {
    quantize_q5_k(values, out, kKernels);
}

}  // namespace unshard::gguf::reference
