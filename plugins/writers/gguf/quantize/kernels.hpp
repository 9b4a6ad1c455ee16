// Each type's BlockFunction, in Highway's widest vectors for the processor at hand.
#pragma once

#include <cstddef>
#include <span>

namespace unshard::gguf::vectorized {

void q8_0(std::span<const float> values, std::byte* out);
void q4_0(std::span<const float> values, std::byte* out);
void q4_1(std::span<const float> values, std::byte* out);
void q5_0(std::span<const float> values, std::byte* out);
void q5_1(std::span<const float> values, std::byte* out);
void q2_k(std::span<const float> values, std::byte* out);
void q3_k(std::span<const float> values, std::byte* out);
void q4_k(std::span<const float> values, std::byte* out);
void q5_k(std::span<const float> values, std::byte* out);
void q6_k(std::span<const float> values, std::byte* out);

bool all_finite(std::span<const float> values);

}  // namespace unshard::gguf::vectorized
