// Values to quantise, made by integer arithmetic alone, so that golden_hashes.py makes the same ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace unshard::gguf {

struct InputKind {
    std::string_view name;
    float (*value)(std::uint64_t index, std::uint64_t random);
};

std::span<const InputKind> input_kinds();

/// The same for the same kind, count and seed.
std::vector<float> make_input(const InputKind& kind, std::size_t count, std::uint64_t seed);

}  // namespace unshard::gguf
