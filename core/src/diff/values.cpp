// Most bytes are equal, so runs are compared as bytes first, and only runs that differ are compared element by element.
// Values of two types are converted to one that holds both exactly: double for floats, long double (64 bits of
// mantissa) where integers take part.

#include "diff/values.hpp"

#include "elements/convert.hpp"
#include "elements/integers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <complex>
#include <cstring>

namespace unshard {
namespace {

constexpr std::size_t kRun = 1024;

template <class Stored, class Value>
void load_as(std::span<const std::byte> in, Value* out) {
    for (std::size_t i = 0; i < in.size() / sizeof(Stored); ++i) {
        Stored stored;
        std::memcpy(&stored, &in[i * sizeof stored], sizeof stored);
        out[i] = static_cast<Value>(stored);
    }
}

void load_floats(DType dtype, std::span<const std::byte> in, double* out) {
    convert({dtype, DType::f64}, in.data(), in.size() / size_of(dtype), reinterpret_cast<std::byte*>(out));
}

/// Floats and integers.
void load_reals(DType dtype, std::span<const std::byte> in, long double* out) {
    if (with_integer(dtype, [&](auto zero) { load_as<decltype(zero)>(in, out); })) return;
    std::array<double, kRun> floats;
    load_floats(dtype, in, floats.data());
    std::copy_n(floats.begin(), in.size() / size_of(dtype), out);
}

void load(DType dtype, std::span<const std::byte> in, double* out) {
    load_floats(dtype, in, out);
}

void load(DType dtype, std::span<const std::byte> in, long double* out) {
    load_reals(dtype, in, out);
}

void load(DType dtype, std::span<const std::byte> in, std::complex<double>* out) {
    if (dtype == DType::c64) return load_as<std::complex<float>>(in, out);
    if (dtype == DType::c128) return load_as<std::complex<double>>(in, out);
    std::array<long double, kRun> reals;
    load_reals(dtype, in, reals.data());
    for (std::size_t i = 0; i < in.size() / size_of(dtype); ++i) out[i] = static_cast<double>(reals[i]);
}

/// Complex values are NaN when a part of them is.
template <class Value>
bool is_nan(const Value& value) {
    return value != value;
}

template <class Value>
bool has_sign(const Value& value) {
    return std::signbit(value);
}
bool has_sign(const std::complex<double>& value) {
    return std::signbit(value.real());
}

/// One run of at most kRun elements.
template <class Value>
ValueDifference compare_run(const Elements& a, const Elements& b) {
    std::array<Value, kRun> values_a, values_b;
    load(a.dtype, a.bytes, values_a.data());
    load(b.dtype, b.bytes, values_b.data());
    const bool is_one_type = a.dtype == b.dtype;
    ValueDifference result;
    for (std::uint64_t i = 0; i < a.count(); ++i) {
        const Value& x = values_a[i];
        const Value& y = values_b[i];
        const bool is_equal = x == y ? has_sign(x) == has_sign(y) : is_nan(x) && is_nan(y);
        if (is_one_type ? std::ranges::equal(a[i], b[i]) : is_equal) continue;
        if (result.differing++ == 0) result.first = i;
        if (is_nan(x) || is_nan(y)) {
            result.nans += is_nan(x) != is_nan(y) ? 1 : 0;
        } else if (x != y) {
            result.largest = std::max(result.largest, static_cast<double>(std::abs(x - y)));
        }
    }
    return result;
}

using CompareRun = ValueDifference (*)(const Elements&, const Elements&);

CompareRun comparison_of(DType a, DType b) {
    const auto is_complex = [](DType dtype) { return dtype == DType::c64 || dtype == DType::c128; };
    if (is_complex(a) || is_complex(b)) return compare_run<std::complex<double>>;
    return info(a).is_float && info(b).is_float ? compare_run<double> : compare_run<long double>;
}

Elements part(const Elements& all, std::uint64_t first, std::uint64_t count) {
    return {all.dtype, all.bytes.subspan(first * size_of(all.dtype), count * size_of(all.dtype))};
}

}  // namespace

void ValueDifference::add(const ValueDifference& other) {
    if (other.differing == 0) return;
    first = differing == 0 ? other.first : std::min(first, other.first);
    differing += other.differing;
    largest = std::max(largest, other.largest);
    nans += other.nans;
}

ValueDifference compare_values(const Elements& a, const Elements& b) {
    ValueDifference result;
    const CompareRun compare = comparison_of(a.dtype, b.dtype);
    for (std::uint64_t first = 0; first < a.count(); first += kRun) {
        const std::uint64_t count = std::min<std::uint64_t>(kRun, a.count() - first);
        const Elements run_a = part(a, first, count);
        const Elements run_b = part(b, first, count);
        if (a.dtype == b.dtype && std::memcmp(run_a.bytes.data(), run_b.bytes.data(), run_a.bytes.size()) == 0)
            continue;
        ValueDifference run = compare(run_a, run_b);
        run.first += first;
        result.add(run);
    }
    return result;
}

}  // namespace unshard
