#include "diff/values.hpp"

#include "support/catch.hpp"

#include <cmath>
#include <limits>
#include <vector>

using namespace unshard;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

template <class T>
Elements elements(DType dtype, const std::vector<T>& values) {
    return {dtype, std::as_bytes(std::span(values))};
}

template <class T>
ValueDifference compare(DType dtype, const std::vector<T>& a, const std::vector<T>& b) {
    return compare_values(elements(dtype, a), elements(dtype, b));
}

}  // namespace

TEST_CASE("equal bytes are equal, NaN too") {
    CHECK(compare<float>(DType::f32, {1, NAN, -0.0F}, {1, NAN, -0.0F}) == ValueDifference{});
    CHECK(compare<float>(DType::f32, {}, {}) == ValueDifference{});
}

TEST_CASE("what differs is counted, with its place and the largest difference") {
    std::vector<float> a(5000, 1), b = a;
    b[1500] = 1.25F;
    b[4999] = -1;
    CHECK(compare(DType::f32, a, b) == ValueDifference{2, 1500, 2, 0});
}

TEST_CASE("other bits of the same value are different bytes, by 0") {
    CHECK(compare<float>(DType::f32, {0.0F}, {-0.0F}) == ValueDifference{1, 0, 0, 0});
    CHECK(compare<std::uint32_t>(DType::f32, {0x7fc00001}, {0x7fc00002}) == ValueDifference{1, 0, 0, 0});
}

TEST_CASE("NaN beside a number is distinguished from a difference of numbers") {
    CHECK(compare<float>(DType::f32, {1, NAN, 3}, {NAN, 2, 3.5F}) == ValueDifference{3, 0, 0.5, 2});
    CHECK(compare<float>(DType::f32, {INFINITY, INFINITY}, {INFINITY, -INFINITY}) ==
          ValueDifference{1, 1, kInfinity, 0});
}

TEST_CASE("integers differ exactly, however large") {
    CHECK(compare<std::int64_t>(DType::i64, {INT64_MAX}, {INT64_MAX - 1}) == ValueDifference{1, 0, 1, 0});
    CHECK(compare<std::uint8_t>(DType::boolean, {0, 1}, {1, 1}) == ValueDifference{1, 0, 1, 0});
}

TEST_CASE("complex numbers differ by their distance") {
    CHECK(compare<float>(DType::c64, {1, 2, 0, 0}, {1, 2, 3, 4}) == ValueDifference{1, 1, 5, 0});
}

TEST_CASE("of two types it is the values that count") {
    const std::vector<float> f32 = {1, -2, NAN, 1.001F, 0.0F};
    const std::vector<std::uint16_t> bf16 = {0x3f80, 0xc000, 0x7fc0, 0x3f80, 0x8000};
    const ValueDifference difference = compare_values(elements(DType::f32, f32), elements(DType::bf16, bf16));
    CHECK(difference.differing == 2);
    CHECK(difference.first == 3);
    CHECK(difference.largest == static_cast<double>(1.001F) - 1);
    const std::vector<std::int32_t> i32 = {1, -2, 7, 1, 0};
    CHECK(compare_values(elements(DType::f32, f32), elements(DType::i32, i32)).differing == 2);
}

TEST_CASE("differences of parts of a tensor add up in any order") {
    ValueDifference sum;
    sum.add({});
    sum.add({2, 100, 0.5, 1});
    sum.add({1, 7, 0.25, 0});
    CHECK(sum == ValueDifference{3, 7, 0.5, 1});
}
