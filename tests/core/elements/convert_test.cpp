#include "elements/convert.hpp"

#include "elements/float_bits.hpp"
#include "support/catch.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using namespace unshard;

namespace {

template <class T>
std::vector<std::byte> bytes_of(const std::vector<T>& values) {
    std::vector<std::byte> bytes(values.size() * sizeof(T));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

template <class T>
std::vector<T> values_of(const std::vector<std::byte>& bytes) {
    std::vector<T> values(bytes.size() / sizeof(T));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
}

struct Converted {
    std::vector<std::byte> bytes;
    std::uint64_t overflowed;
};

Converted convert_all(const Conversion& conversion, const std::vector<std::byte>& in) {
    const std::size_t count = in.size() / size_of(conversion.from);
    Converted result{std::vector<std::byte>(count * size_of(conversion.to)), 0};
    result.overflowed = convert(conversion, in.data(), count, result.bytes.data());
    return result;
}

// What follows to `digest` is convert_golden.py in C++.

std::vector<std::uint32_t> f32_inputs() {
    std::vector<std::uint32_t> bits;
    for (std::uint64_t i = 0; i < 1 << 18; ++i) bits.push_back(static_cast<std::uint32_t>(i * 2654435761U));
    for (const bool is_bf16 : {false, true}) {
        for (const std::uint32_t distance : {0x0FFFU, 0x1000U, 0x1001U, 0x7FFFU, 0x8000U, 0x8001U}) {
            for (std::uint32_t h = 0; h < 1 << 16; ++h) {
                const float half = f32_from_f16(static_cast<std::uint16_t>(h));
                const std::uint32_t f16 = std::isnan(half) ? 0x7FC00000U : std::bit_cast<std::uint32_t>(half);
                bits.push_back((is_bf16 ? h << 16U : f16) + distance);
            }
        }
    }
    return bits;
}

std::vector<std::uint64_t> f64_inputs() {
    std::vector<std::uint64_t> bits;
    for (const std::uint32_t f32 : f32_inputs()) {
        const double value = std::bit_cast<float>(f32);
        const std::uint64_t low = std::isfinite(value) ? bits.size() * 2654435761U % (1U << 29U) : 0;
        bits.push_back((std::isnan(value) ? 0x7FF8000000000000U : std::bit_cast<std::uint64_t>(value)) ^ low);
    }
    return bits;
}

template <class T>
std::vector<T> all_values(std::size_t count) {
    std::vector<T> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<T>(i);
    return values;
}

std::vector<std::byte> inputs(DType dtype) {
    if (dtype == DType::f64) return bytes_of(f64_inputs());
    if (dtype == DType::f32) return bytes_of(f32_inputs());
    return size_of(dtype) == 2 ? bytes_of(all_values<std::uint16_t>(1 << 16)) : bytes_of(all_values<std::uint8_t>(256));
}

std::uint64_t without_nan(DType dtype, std::uint64_t bits) {
    switch (dtype) {
        case DType::f64:
            return std::isnan(std::bit_cast<double>(bits)) ? 0x7FF8000000000000U : bits;
        case DType::f32:
            return (bits & 0x7FFFFFFFU) > 0x7F800000U ? 0x7FC00000U : bits;
        case DType::f16:
            return (bits & 0x7FFFU) > 0x7C00U ? 0x7E00U : bits;
        default:
            return (bits & 0x7FFFU) > 0x7F80U ? 0x7FC0U : bits;
    }
}

std::uint64_t digest(DType dtype, const std::vector<std::byte>& bytes) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i * size_of(dtype) < bytes.size(); ++i) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &bytes[i * size_of(dtype)], size_of(dtype));
        const std::uint64_t product = without_nan(dtype, bits) * 0x9E3779B97F4A7C15U;
        sum += (product ^ (product >> 32U)) * (2 * i + 1);
    }
    return sum;
}

struct Golden {
    DType from, to;
    std::uint64_t digest;
};

/// Printed by convert_golden.py with torch 2.13.
constexpr Golden kGolden[] = {
    {DType::f16, DType::f64, 0x4b961ec4ca200000},        {DType::f16, DType::f32, 0xc48993af6a1fbf1c},
    {DType::f16, DType::bf16, 0x27ca1ca8f4544d78},       {DType::bf16, DType::f64, 0xdfbeb7595f900000},
    {DType::bf16, DType::f32, 0x314e926af3b5c2a1},       {DType::bf16, DType::f16, 0xf1c1ce8b2b5526ca},
    {DType::f8e4m3, DType::f64, 0xacac7f76acac0000},     {DType::f8e4m3, DType::f32, 0x3236101b91159155},
    {DType::f8e4m3, DType::f16, 0x53aa71d7ea22842a},     {DType::f8e4m3, DType::bf16, 0xf5a933fb42801512},
    {DType::f8e4m3fnuz, DType::f64, 0x0aa87de70aa80000}, {DType::f8e4m3fnuz, DType::f32, 0xe816c98dac1647f7},
    {DType::f8e4m3fnuz, DType::f16, 0xe0d1617717538b51}, {DType::f8e4m3fnuz, DType::bf16, 0xe7e1e47c44822afd},
    {DType::f8e5m2, DType::f64, 0x8460812b84600000},     {DType::f8e5m2, DType::f32, 0x9ffb552ee73adab4},
    {DType::f8e5m2, DType::f16, 0x9f4a2d2a86d77d60},     {DType::f8e5m2, DType::bf16, 0x25619b8365c166b7},
    {DType::f8e5m2fnuz, DType::f64, 0x30f8808530f80000}, {DType::f8e5m2fnuz, DType::f32, 0xd9576ebd0056f11b},
    {DType::f8e5m2fnuz, DType::f16, 0x5f7a40673b92031d}, {DType::f8e5m2fnuz, DType::bf16, 0x5e04d7ddea768010},
    {DType::f32, DType::f64, 0xaf1354c7c618f947},        {DType::f32, DType::f16, 0xfbca57351dc7644f},
    {DType::f32, DType::bf16, 0xd78ad7233b5a5347},       {DType::f64, DType::f32, 0xd51660b679a8e8d1},
    {DType::f64, DType::f16, 0xcb532aa096375e17},        {DType::f64, DType::bf16, 0x295d51e2eb72de86},
};

}  // namespace

TEST_CASE("every conversion gives PyTorch's bits") {
    for (const Golden& golden : kGolden) {
        CAPTURE(to_string(golden.from), to_string(golden.to));
        const Converted converted = convert_all({golden.from, golden.to}, inputs(golden.from));
        CHECK(digest(golden.to, converted.bytes) == golden.digest);
    }
}

TEST_CASE("every f16 and bf16 survives the way to f32 and back, NaN included") {
    for (const DType dtype : {DType::f16, DType::bf16}) {
        const std::vector<std::byte> all = inputs(dtype);
        const Converted wide = convert_all({dtype, DType::f32}, all);
        const Converted back = convert_all({DType::f32, dtype}, wide.bytes);
        REQUIRE(back.overflowed == 0);
        const auto before = values_of<std::uint16_t>(all);
        const auto after = values_of<std::uint16_t>(back.bytes);
        const std::uint16_t quiet = dtype == DType::f16 ? 0x0200 : 0x0040;
        for (std::size_t i = 0; i < before.size(); ++i) {
            if (after[i] != before[i])
                REQUIRE((without_nan(dtype, before[i]) != before[i] && after[i] == (before[i] | quiet)));
        }
    }
}

TEST_CASE("finite values that become infinite are counted, infinite ones are not") {
    const float infinity = std::numeric_limits<float>::infinity();
    const auto values = bytes_of<float>({65504, 65519.996F, 65520, -1e6F, 3.3e38F, 3.4e38F, infinity, -infinity, NAN});
    REQUIRE(convert_all({DType::f32, DType::f16}, values).overflowed == 4);
    REQUIRE(convert_all({DType::f32, DType::bf16}, values).overflowed == 1);
    const auto doubles = bytes_of<double>({1e300, 3.4e38, 70000, 1, INFINITY, NAN});
    REQUIRE(convert_all({DType::f64, DType::f32}, doubles).overflowed == 1);
    REQUIRE(convert_all({DType::f64, DType::f16}, doubles).overflowed == 3);
    REQUIRE(convert_all({DType::f64, DType::f64}, doubles).overflowed == 0);
}

TEST_CASE("a constant is added in f32, or in f64 to f64") {
    const auto halves = bytes_of<std::uint16_t>({0x3F80, 0xBF80, 0x3B80});  // bf16 1, -1, 2^-8
    REQUIRE(values_of<float>(convert_all({DType::bf16, DType::f32, 1}, halves).bytes) ==
            std::vector<float>{2, 0, 1.00390625F});
    REQUIRE(values_of<std::uint16_t>(convert_all({DType::bf16, DType::bf16, 1}, halves).bytes) ==
            std::vector<std::uint16_t>{0x4000, 0x0000, 0x3F80});
    const auto doubles = bytes_of<double>({1e-12});
    REQUIRE(values_of<double>(convert_all({DType::f64, DType::f64, 1}, doubles).bytes) ==
            std::vector<double>{1 + 1e-12});
}

TEST_CASE("a negative zero keeps its sign in every type") {
    for (const DType to : {DType::f64, DType::f32, DType::f16, DType::bf16}) {
        CAPTURE(to_string(to));
        for (const auto& [from, zero] :
             {std::pair{DType::f64, bytes_of<double>({-0.0})}, std::pair{DType::f32, bytes_of<float>({-0.0F})}}) {
            REQUIRE(std::to_integer<int>(convert_all({from, to}, zero).bytes.back()) == 0x80);
        }
    }
}

TEST_CASE("integers, booleans and complex numbers stay what they are, and f8 is never made") {
    for (const DTypeInfo& from : kDTypes) {
        for (const DTypeInfo& to : kDTypes) {
            const bool is_wide = to.is_float && to.size > 1;
            CAPTURE(std::string(from.name), std::string(to.name));
            REQUIRE(is_convertible(from.dtype, to.dtype) == (from.dtype == to.dtype || (from.is_float && is_wide)));
        }
    }
}

TEST_CASE("sums are taken in f32, those of f64 in f64") {
    std::vector<float> sums = {-0.0F, 0.5F};
    accumulate(DType::bf16, bytes_of<std::uint16_t>({0x8000, 0x3F80}).data(), 2, sums.data());
    REQUIRE(std::signbit(sums[0]));
    REQUIRE(sums == std::vector<float>{-0.0F, 1.5F});
    std::vector<double> wide = {1};
    accumulate(DType::f64, bytes_of<double>({1e-12}).data(), 1, wide.data());
    REQUIRE(wide == std::vector<double>{1 + 1e-12});
}
