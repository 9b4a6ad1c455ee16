// Single blocks whose bytes can be worked out by hand.

#include "support/catch.hpp"

#include "container.hpp"
#include "quantize/arithmetic.hpp"
#include "quantize/quantize.hpp"

#include <array>
#include <bit>
#include <vector>

namespace unshard::gguf {
namespace {

using Bytes = std::vector<int>;

Bytes quantized(std::string_view name, const std::vector<float>& values) {
    const BlockType& type = *find_block_type(name);
    std::vector<std::byte> blocks(stored_bytes(type.type, values.size()));
    quantize(type, values, values.size(), blocks);
    Bytes result;
    for (const std::byte b : blocks) result.push_back(std::to_integer<int>(b));
    return result;
}

std::vector<float> block(std::size_t elems, float first, float rest) {
    std::vector<float> values(elems, rest);
    values[0] = first;
    return values;
}

Bytes joined(Bytes front, std::size_t count, int rest) {
    front.insert(front.end(), count, rest);
    return front;
}

}  // namespace

TEST_CASE("q8_0 rounds halves away from zero") {
    // A step of 1 is 0x3c00 as a half. 0.5 becomes 1, and its lower neighbour 0.
    CHECK(quantized("q8_0", block(32, 127.0f, 0.5f)) == joined({0x00, 0x3c, 127}, 31, 1));
    CHECK(quantized("q8_0", block(32, -127.0f, -0.5f)) == joined({0x00, 0x3c, 0x81}, 31, 0xff));
    CHECK(quantized("q8_0", block(32, 127.0f, 0.49999997f)) == joined({0x00, 0x3c, 127}, 31, 0));
}

TEST_CASE("q4_0 gives the extreme the lowest level, and of two extremes the first") {
    // 8 / -8 is a step of -1: 8 is level 0, 0 is level 8, -8 would be 16 and is held at 15.
    std::vector<float> values = block(32, 8.0f, 0.0f);
    values[16] = -8.0f;
    CHECK(quantized("q4_0", values) == joined({0x00, 0xbc, 0xf0}, 15, 0x88));
}

TEST_CASE("q4_0 stores a block of zeros with a step of minus zero") {
    CHECK(quantized("q4_0", block(32, 0.0f, 0.0f)) == joined({0x00, 0x80}, 16, 0x88));
}

TEST_CASE("q4_1 stores the sign of whichever zero is the first minimum") {
    CHECK(quantized("q4_1", block(32, -0.0f, 0.0f)) == joined({0x00, 0x00, 0x00, 0x80}, 16, 0));
    CHECK(quantized("q4_1", block(32, 0.0f, -0.0f)) == joined({0x00, 0x00, 0x00, 0x00}, 16, 0));
}

TEST_CASE("q5_1 keeps the fifth bits apart") {
    // From 0 to 31 in steps of 1: the upper half has the fifth bit.
    std::vector<float> values(32);
    for (std::size_t i = 0; i < 32; ++i) values[i] = static_cast<float>(i);
    Bytes wanted{0x00, 0x3c, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff};
    for (int i = 0; i < 16; ++i) wanted.push_back(i | i << 4);
    CHECK(quantized("q5_1", values) == wanted);
}

TEST_CASE("a step whose reciprocal overflows leaves levels of 0") {
    CHECK(quantized("q8_0", block(32, 1e-38f, 5e-39f)) == joined({}, 34, 0));
    CHECK(quantized("q4_0", block(32, -1e-38f, 0.0f)) == joined({}, 18, 0));
}

TEST_CASE("q6_k stores a super-block of zeros as zero bytes") {
    CHECK(quantized("q6_k", block(256, 0.0f, 1e-16f)) == joined({}, 210, 0));
}

TEST_CASE("halves round to even, keep subnormals, overflow to infinity and drop what a NaN carries") {
    const std::array<std::uint32_t, 10> bits{0x3f801000, 0x3f803000, 0x33000000, 0x33000001, 0x477fefff,
                                             0x477ff000, 0x7f800000, 0x7f800001, 0xffc12345, 0x80000000};
    std::vector<int> halves;
    for (const std::uint32_t b : bits) halves.push_back(half_from_float(std::bit_cast<float>(b)));
    CHECK(halves == std::vector{0x3c00, 0x3c02, 0x0000, 0x0001, 0x7bff, 0x7c00, 0x7c00, 0x7e00, 0xfe00, 0x8000});
}

}  // namespace unshard::gguf
