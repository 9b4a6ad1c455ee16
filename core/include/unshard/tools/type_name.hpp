// How users write the names of types.
#pragma once

#include "unshard/tools/ascii.hpp"

#include <array>
#include <string>
#include <string_view>
#include <utility>

namespace unshard {

/// A type's name as options have it: "Q4_K_M" is q4_k_m, and "float16", "fp16", "half" and "torch.float16" are f16.
inline std::string type_name(std::string_view given) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 9> kOthers = {{{"float64", "f64"},
                                                                                              {"float32", "f32"},
                                                                                              {"fp32", "f32"},
                                                                                              {"float", "f32"},
                                                                                              {"float16", "f16"},
                                                                                              {"fp16", "f16"},
                                                                                              {"half", "f16"},
                                                                                              {"bfloat16", "bf16"},
                                                                                              {"bfp16", "bf16"}}};
    std::string name = ascii_lower(given.starts_with("torch.") ? given.substr(6) : given);
    for (const auto& [other, own] : kOthers) {
        if (name == other) return std::string(own);
    }
    return name;
}

}  // namespace unshard
