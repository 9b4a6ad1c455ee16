// arithmetic.hpp's levels, a vector at a time. Included once for each of Highway's targets.
#if defined(UNSHARD_VECTOR_LEVEL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef UNSHARD_VECTOR_LEVEL_INL
#undef UNSHARD_VECTOR_LEVEL_INL
#else
#define UNSHARD_VECTOR_LEVEL_INL
#endif

#include <hwy/highway.h>

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace unshard::gguf::vectorized::HWY_NAMESPACE {

/// nearest_int(v) within [low, high].
template <class D, class V, class I>
HWY_INLINE I nearest_level(D, V v, I low, I high) {
    namespace hn = hwy::HWY_NAMESPACE;
    const hn::RebindToSigned<D> integers;
    const I bits = hn::BitCast(integers, hn::Add(v, hn::Set(D(), 12582912.0f)));
    const I nearest = hn::Sub(hn::And(bits, hn::Set(integers, 0x7fffff)), hn::Set(integers, 0x400000));
    return hn::Max(low, hn::Min(high, nearest));
}

/// One byte a lane; the levels fit into bytes.
template <class I>
HWY_INLINE void store_levels(I levels, std::uint8_t* out) {
    namespace hn = hwy::HWY_NAMESPACE;
    const hn::Rebind<std::uint8_t, hn::DFromV<I>> bytes;
    hn::StoreU(hn::DemoteTo(bytes, levels), bytes, out);
}

}  // namespace unshard::gguf::vectorized::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
