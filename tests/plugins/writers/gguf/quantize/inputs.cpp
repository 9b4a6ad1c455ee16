#include "inputs.hpp"

#include <array>
#include <bit>
#include <cmath>

namespace unshard::gguf {
namespace {

/// splitmix64's output function.
std::uint64_t mix(std::uint64_t v) {
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
    v = (v ^ v >> 27) * 0x94d049bb133111eb;
    return v ^ v >> 31;
}

float from_bits(std::uint64_t bits) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
}

float with_sign_of(float magnitude, std::uint64_t random) {
    return random >> 63 != 0 ? -magnitude : magnitude;
}

/// About normal with a deviation of 0.036, as weights are: four numbers of 16 bits added up.
float weight(std::uint64_t, std::uint64_t random) {
    int sum = 0;
    for (int i = 0; i < 4; ++i) sum += static_cast<std::int16_t>(random >> 16 * i & 0xffff);
    return std::ldexp(static_cast<float>(sum), -20);
}

float bf16_weight(std::uint64_t index, std::uint64_t random) {
    return from_bits(std::bit_cast<std::uint32_t>(weight(index, random)) & 0xffff0000);
}

float finite_bits(std::uint64_t, std::uint64_t random) {
    return from_bits((random & 0x7f800000) == 0x7f800000 ? random & ~std::uint64_t{0x40000000} : random);
}

float scaled_by_group(std::uint64_t index, std::uint64_t random) {
    return std::ldexp(weight(index, random), static_cast<int>(mix(index / 16) % 64) - 48);
}

float near_zero(std::uint64_t, std::uint64_t random) {
    return from_bits(random & 0x80ffffff);
}

float zeros_of_both_signs(std::uint64_t, std::uint64_t random) {
    return with_sign_of(random % 16 == 0 ? 0.25f : 0.0f, random);
}

float positive_and_zeros(std::uint64_t, std::uint64_t random) {
    return random % 8 == 0 ? static_cast<float>(random >> 32 & 0xff) : with_sign_of(0.0f, random);
}

float ties(std::uint64_t, std::uint64_t random) {
    return std::ldexp(static_cast<float>(random % 33) - 16.0f, -4);
}

float constant_groups(std::uint64_t index, std::uint64_t) {
    return weight(index, mix(index / 32));
}

float two_magnitudes(std::uint64_t index, std::uint64_t random) {
    return with_sign_of(std::ldexp(1.0f, static_cast<int>(mix(index / 16) % 8)), random);
}

float far_from_zero(std::uint64_t index, std::uint64_t random) {
    return weight(index, random) - 4.0f;
}

float beyond_fp16(std::uint64_t index, std::uint64_t random) {
    return std::ldexp(weight(index, random), 30);
}

constexpr std::array kKinds = {
    InputKind{"weights", weight},
    InputKind{"bf16 weights", bf16_weight},
    InputKind{"finite bits", finite_bits},
    InputKind{"scaled by group", scaled_by_group},
    InputKind{"near zero", near_zero},
    InputKind{"zeros of both signs", zeros_of_both_signs},
    InputKind{"positive and zeros", positive_and_zeros},
    InputKind{"ties", ties},
    InputKind{"constant groups", constant_groups},
    InputKind{"two magnitudes", two_magnitudes},
    InputKind{"far from zero", far_from_zero},
    InputKind{"beyond fp16", beyond_fp16},
};

}  // namespace

std::span<const InputKind> input_kinds() {
    return kKinds;
}

std::vector<float> make_input(const InputKind& kind, std::size_t count, std::uint64_t seed) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i) values[i] = kind.value(i, mix((seed << 32) + i + 1));
    return values;
}

}  // namespace unshard::gguf
