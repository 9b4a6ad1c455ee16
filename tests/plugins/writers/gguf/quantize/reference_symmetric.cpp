// The scalar searches of q3_k and q6_k. (ggml-quants.c: make_q3_quants with do_rmse, make_qx_quants with rmse_type 1.)

#include "reference.hpp"

#include "quantize/arithmetic.hpp"
#include "quantize/symmetric.hpp"

#include <cmath>

namespace unshard::gguf::reference {
namespace {

using Group = std::span<const float, kGroupElems>;

struct Fit {
    float scale;
    std::array<int, kGroupElems> levels;  // from -zero to zero - 1
};

/// For levels l: the sums of x^2 * x * l and of x^2 * l * l. Squares are the weights.
struct Sums {
    float xl, l2;
};

Sums levels_and_sums(Group values, float inverse, int zero, std::array<int, kGroupElems>& levels) {
    Sums sums{0.0f, 0.0f};
    for (std::size_t i = 0; i < kGroupElems; ++i) {
        const float x = values[i];
        levels[i] = nearest_level(inverse * x, -zero, zero - 1);
        const auto level = static_cast<float>(levels[i]);
        const float weight = x * x;
        sums.xl += weight * x * level;
        sums.l2 += weight * level * level;
    }
    return sums;
}

Fit fit_q6_group(Group values, float max) {
    Fit best;
    const Sums first = levels_and_sums(values, -kQ6Zero / max, kQ6Zero, best.levels);
    best.scale = first.l2 != 0 ? first.xl / first.l2 : 0.0f;
    float most = best.scale * first.xl;
    for (int i = -9; i <= 9; ++i) {
        if (i == 0) continue;
        Fit fit;
        const Sums sums = levels_and_sums(values, -(kQ6Zero + 0.1f * static_cast<float>(i)) / max, kQ6Zero, fit.levels);
        if (sums.l2 > 0 && sums.xl * sums.xl > most * sums.l2) {
            fit.scale = sums.xl / sums.l2;
            most = fit.scale * sums.xl;
            best = fit;
        }
    }
    return best;
}

/// Moves one element's level to where the others' scale wants it, if that makes the fit better.
bool refine(float x, int& level, Sums& sums) {
    const float weight = x * x;
    const auto old = static_cast<float>(level);
    Sums moved{sums.xl - weight * x * old, sums.l2 - weight * old * old};
    if (!(moved.xl > 0)) return false;
    const int wanted = nearest_level(x * moved.l2 / moved.xl, -kQ3Zero, kQ3Zero - 1);
    if (wanted == level) return false;
    const auto now = static_cast<float>(wanted);
    moved.xl += weight * x * now;
    moved.l2 += weight * now * now;
    if (!(moved.l2 > 0 && moved.xl * moved.xl * sums.l2 > sums.xl * sums.xl * moved.l2)) return false;
    level = wanted;
    sums = moved;
    return true;
}

Fit fit_q3_group(Group values, float max) {
    Fit fit;
    Sums sums = levels_and_sums(values, -kQ3Zero / max, kQ3Zero, fit.levels);
    for (int pass = 0; pass < 5; ++pass) {
        bool changed = false;
        for (std::size_t i = 0; i < kGroupElems; ++i) {
            if (refine(values[i], fit.levels[i], sums)) changed = true;
        }
        if (!changed) break;
    }
    fit.scale = sums.l2 > 0 ? sums.xl / sums.l2 : 0.0f;
    return fit;
}

template <int zero, Fit (*fit_group)(Group, float)>
void fit(SuperBlock values, SymmetricFits& fits) {
    for (std::size_t j = 0; j < kGroups; ++j) {
        const Group group = values.subspan(j * kGroupElems).first<kGroupElems>();
        const float max = extreme(group);
        Fit best{0.0f, {}};
        best.levels.fill(-zero);
        if (!(std::fabs(max) < kSmallest)) best = fit_group(group, max);
        fits.scale[j] = best.scale;
        for (std::size_t i = 0; i < kGroupElems; ++i) {
            fits.levels[i][j] = static_cast<std::uint8_t>(best.levels[i] + zero);
        }
    }
}

void levels(SuperBlock values, const std::array<float, kGroups>& scales, const SymmetricFits& fits, int zero,
            SuperBlockLevels& levels) {
    for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t group = i / kGroupElems;
        levels[i] = fits.levels[i % kGroupElems][group];
        if (scales[group] == 0) continue;
        levels[i] = static_cast<std::uint8_t>(nearest_level(values[i] / scales[group], -zero, zero - 1) + zero);
    }
}

}  // namespace

void q3_k(std::span<const float> values, std::byte* out) {
    quantize_q3_k(values, out, {fit<kQ3Zero, fit_q3_group>, levels});
}

void q6_k(std::span<const float> values, std::byte* out) {
    quantize_q6_k(values, out, {fit<kQ6Zero, fit_q6_group>, levels});
}

}  // namespace unshard::gguf::reference
