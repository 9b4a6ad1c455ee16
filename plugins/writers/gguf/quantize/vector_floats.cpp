// The vector code of f16 and bf16, and the search for what is not finite. Highway's own conversions keep the payload of
// a NaN, which ggml drops, so these are the integer steps of arithmetic.hpp.

#include "kernels.hpp"

#include "arithmetic.hpp"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "vector_floats.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace unshard::gguf::vectorized::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using D = hn::CappedTag<float, 16>;
using DI = hn::RebindToSigned<D>;
using V = hn::Vec<D>;
using I = hn::Vec<DI>;

HWY_INLINE I constant(int value) {
    return hn::Set(DI(), value);
}

HWY_INLINE I half_bits(V v) {
    const DI integers;
    const I bits = hn::BitCast(integers, v);
    const I magnitude = hn::And(bits, constant(0x7fffffff));
    const I odd = hn::And(hn::ShiftRight<13>(magnitude), constant(1));
    const I rebiased = hn::Add(magnitude, constant(0xfff - 0x38000000));
    const I normal = hn::ShiftRight<13>(hn::Add(rebiased, odd));
    const V aligned = hn::Add(hn::Abs(v), hn::Set(D(), 0.5f));
    const I subnormal = hn::Sub(hn::BitCast(integers, aligned), constant(0x3f000000));

    I half = hn::IfThenElse(hn::Lt(magnitude, constant(0x38800000)), subnormal, normal);
    half = hn::IfThenElse(hn::Gt(magnitude, constant(0x477fffff)), constant(0x7c00), half);
    half = hn::IfThenElse(hn::Gt(magnitude, constant(0x7f800000)), constant(0x7e00), half);
    return hn::Or(half, hn::And(hn::ShiftRight<16>(bits), constant(0x8000)));
}

HWY_INLINE I bfloat_bits(V v) {
    const I bits = hn::BitCast(DI(), v);
    const I magnitude = hn::And(bits, constant(0x7fffffff));
    const I odd = hn::And(hn::ShiftRight<16>(bits), constant(1));
    const I rounded = hn::Add(bits, hn::Add(odd, constant(0x7fff)));
    const I quiet = hn::Or(bits, constant(64 << 16));
    const I chosen = hn::IfThenElse(hn::Gt(magnitude, constant(0x7f800000)), quiet, rounded);
    return hn::And(hn::ShiftRight<16>(chosen), constant(0xffff));
}

template <I (*convert)(V), std::uint16_t (*convert_one)(float)>
HWY_INLINE void each_value(std::span<const float> values, std::byte* out) {
    const D d;
    const hn::Rebind<std::uint16_t, D> narrow;
    alignas(32) std::uint16_t converted[16];
    std::size_t i = 0;
    for (; i + hn::Lanes(d) <= values.size(); i += hn::Lanes(d)) {
        hn::Store(hn::DemoteTo(narrow, convert(hn::LoadU(d, values.data() + i))), narrow, converted);
        std::memcpy(out + i * sizeof(std::uint16_t), converted, hn::Lanes(d) * sizeof(std::uint16_t));
    }
    for (; i < values.size(); ++i) {
        converted[0] = convert_one(values[i]);
        std::memcpy(out + i * sizeof(std::uint16_t), converted, sizeof(std::uint16_t));
    }
}

void values_f16(std::span<const float> values, std::byte* out) {
    each_value<half_bits, half_from_float>(values, out);
}

void values_bf16(std::span<const float> values, std::byte* out) {
    each_value<bfloat_bits, bfloat_from_float>(values, out);
}

/// An exponent of all ones is a NaN or an infinity; magnitudes are ordered like their bits.
bool are_finite(std::span<const float> values) {
    const D d;
    const DI integers;
    I greatest = hn::Zero(integers);
    std::size_t i = 0;
    for (; i + hn::Lanes(d) <= values.size(); i += hn::Lanes(d)) {
        const I bits = hn::BitCast(integers, hn::LoadU(d, values.data() + i));
        greatest = hn::Max(greatest, hn::And(bits, constant(0x7fffffff)));
    }
    if (!hn::AllTrue(integers, hn::Lt(greatest, constant(0x7f800000)))) return false;
    return std::all_of(values.begin() + static_cast<std::ptrdiff_t>(i), values.end(),
                       [](float v) { return std::isfinite(v); });
}

}  // namespace
}  // namespace unshard::gguf::vectorized::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace unshard::gguf::vectorized {
namespace {

HWY_EXPORT(values_f16);
HWY_EXPORT(values_bf16);
HWY_EXPORT(are_finite);

}  // namespace

void f16(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(values_f16)(values, out);
}

void bf16(std::span<const float> values, std::byte* out) {
    HWY_DYNAMIC_DISPATCH(values_bf16)(values, out);
}

bool all_finite(std::span<const float> values) {
    return HWY_DYNAMIC_DISPATCH(are_finite)(values);
}

}  // namespace unshard::gguf::vectorized
#endif
