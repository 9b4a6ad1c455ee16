// The search for what is not finite.

#include "kernels.hpp"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector_finite.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace unshard::gguf::vectorized::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, 16>;

/// An exponent of all ones is a NaN or an infinity; magnitudes are ordered like their bits.
bool are_finite(std::span<const float> values) {
    const D d;
    const hn::RebindToSigned<D> integers;
    auto greatest = hn::Zero(integers);
    std::size_t i = 0;
    for (; i + hn::Lanes(d) <= values.size(); i += hn::Lanes(d)) {
        const auto bits = hn::BitCast(integers, hn::LoadU(d, values.data() + i));
        greatest = hn::Max(greatest, hn::And(bits, hn::Set(integers, 0x7fffffff)));
    }
    if (!hn::AllTrue(integers, hn::Lt(greatest, hn::Set(integers, 0x7f800000)))) return false;
    return std::all_of(values.begin() + static_cast<std::ptrdiff_t>(i), values.end(),
                       [](float v) { return std::isfinite(v); });
}

}  // namespace
}  // namespace unshard::gguf::vectorized::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unshard::gguf::vectorized {
namespace {

HWY_EXPORT(are_finite);

}  // namespace

bool all_finite(std::span<const float> values) {
    return HWY_DYNAMIC_DISPATCH(are_finite)(values);
}

}  // namespace unshard::gguf::vectorized
#endif
