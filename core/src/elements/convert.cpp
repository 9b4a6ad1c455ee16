// Values go through a buffer of f32 that stays in the first-level cache: one loop widens into it, one narrows out of
// it, so that n types need 2n loops. f64 to f16 and bf16 passes through f32 too; so it does in PyTorch.

#include "elements/convert.hpp"

#include "elements/float_bits.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace unshard {
namespace {

constexpr std::size_t kChunk = 2048;

template <class T>
T load(const std::byte* in, std::size_t i) {
    T value;
    std::memcpy(&value, in + i * sizeof(T), sizeof(T));
    return value;
}

template <class T>
void store(std::byte* out, std::size_t i, T value) {
    std::memcpy(out + i * sizeof(T), &value, sizeof(T));
}

template <class Raw, class Widen>
void widen_each(const std::byte* in, std::size_t count, float* out, Widen one) {
    for (std::size_t i = 0; i < count; ++i) out[i] = one(load<Raw>(in, i));
}

void widen_f8(const std::array<float, 256>& table, const std::byte* in, std::size_t count, float* out) {
    for (std::size_t i = 0; i < count; ++i) out[i] = table[std::to_integer<std::size_t>(in[i])];
}

/// Any float type but f64.
void widen(DType from, const std::byte* in, std::size_t count, float* out) {
    switch (from) {
        case DType::f32:
            std::memcpy(out, in, count * sizeof(float));
            return;
        case DType::f16:
            return widen_each<std::uint16_t>(in, count, out, f32_from_f16);
        case DType::bf16:
            return widen_each<std::uint16_t>(in, count, out, f32_from_bf16);
        case DType::f8e4m3:
            return widen_f8(kF8E4m3, in, count, out);
        case DType::f8e4m3fnuz:
            return widen_f8(kF8E4m3Fnuz, in, count, out);
        case DType::f8e5m2:
            return widen_f8(kF8E5m2, in, count, out);
        case DType::f8e5m2fnuz:
            return widen_f8(kF8E5m2Fnuz, in, count, out);
        default:
            throw Error("no conversion from " + to_string(from) + " to f32");
    }
}

template <std::uint16_t infinity, class Narrow>
std::uint64_t narrow_each(const float* in, std::size_t count, std::byte* out, Narrow one) {
    std::uint32_t overflowed = 0;
    for (std::size_t i = 0; i < count; ++i) {
        const std::uint16_t value = one(in[i]);
        const bool is_infinite = (value & 0x7FFFU) == infinity;
        const bool was_infinite = (std::bit_cast<std::uint32_t>(in[i]) & 0x7FFFFFFFU) == 0x7F800000U;
        overflowed += static_cast<std::uint32_t>(is_infinite) & static_cast<std::uint32_t>(!was_infinite);
        store(out, i, value);
    }
    return overflowed;
}

std::uint64_t narrow(DType to, const float* in, std::size_t count, std::byte* out) {
    switch (to) {
        case DType::f64:
            for (std::size_t i = 0; i < count; ++i) store(out, i, static_cast<double>(in[i]));
            return 0;
        case DType::f32:
            std::memcpy(out, in, count * sizeof(float));
            return 0;
        case DType::f16:
            return narrow_each<0x7C00>(in, count, out, f16_from_f32);
        case DType::bf16:
            return narrow_each<0x7F80>(in, count, out, bf16_from_f32);
        default:
            throw Error("no conversion from f32 to " + to_string(to));
    }
}

std::uint64_t convert_f64(const Conversion& c, const std::byte* in, std::size_t count, std::byte* out) {
    std::array<float, kChunk> values;
    std::uint64_t overflowed = 0;
    for (std::size_t i = 0; i < count; ++i) {
        double value = load<double>(in, i);
        if (c.add != 0) value += c.add;  // -0 + 0 is +0
        if (c.to == DType::f64) {
            store(out, i, value);
            continue;
        }
        values[i] = static_cast<float>(value);
        overflowed += static_cast<std::uint64_t>(std::isinf(values[i]) && std::isfinite(value));
    }
    return c.to == DType::f64 ? 0 : overflowed + narrow(c.to, values.data(), count, out);
}

std::uint64_t convert_chunk(const Conversion& c, const std::byte* in, std::size_t count, std::byte* out) {
    if (c.from == DType::f64) return convert_f64(c, in, count, out);
    std::array<float, kChunk> values;
    widen(c.from, in, count, values.data());
    if (c.add != 0) {
        const auto add = static_cast<float>(c.add);
        for (std::size_t i = 0; i < count; ++i) values[i] += add;
    }
    return narrow(c.to, values.data(), count, out);
}

template <class Step>
void in_chunks(std::size_t count, Step step) {
    for (std::size_t i = 0; i < count; i += kChunk) step(i, std::min(kChunk, count - i));
}

}  // namespace

bool is_convertible(DType from, DType to) {
    if (from == to) return true;
    const bool is_target = to == DType::f64 || to == DType::f32 || to == DType::f16 || to == DType::bf16;
    return info(from).is_float && is_target;
}

std::uint64_t convert(const Conversion& conversion, const std::byte* in, std::size_t count, std::byte* out) {
    const std::uint64_t from_bytes = size_of(conversion.from);
    const std::uint64_t to_bytes = size_of(conversion.to);
    if (is_identity(conversion)) {
        if (count != 0) std::memcpy(out, in, count * to_bytes);
        return 0;
    }
    std::uint64_t overflowed = 0;
    in_chunks(count, [&](std::size_t i, std::size_t n) {
        overflowed += convert_chunk(conversion, in + i * from_bytes, n, out + i * to_bytes);
    });
    return overflowed;
}

void accumulate(DType from, const std::byte* in, std::size_t count, float* sums) {
    in_chunks(count, [&](std::size_t i, std::size_t n) {
        std::array<float, kChunk> values;
        widen(from, in + i * size_of(from), n, values.data());
        for (std::size_t k = 0; k < n; ++k) sums[i + k] += values[k];
    });
}

void accumulate(DType from, const std::byte* in, std::size_t count, double* sums) {
    if (from != DType::f64) throw Error("sums in double are of f64 elements, not of " + to_string(from));
    for (std::size_t i = 0; i < count; ++i) sums[i] += load<double>(in, i);
}

}  // namespace unshard
