// Plain scalar code that makes ggml's bytes, for the vector code to be compared with.
#pragma once

#include "quantize/quantize.hpp"

#include <cstddef>
#include <map>
#include <span>

namespace unshard::gguf::reference {

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

inline const std::map<Type, BlockFunction> kByType = {
    {Type::q8_0, q8_0}, {Type::q4_0, q4_0}, {Type::q4_1, q4_1}, {Type::q5_0, q5_0}, {Type::q5_1, q5_1},
    {Type::q2_k, q2_k}, {Type::q3_k, q3_k}, {Type::q4_k, q4_k}, {Type::q5_k, q5_k}, {Type::q6_k, q6_k},
};

}  // namespace unshard::gguf::reference
