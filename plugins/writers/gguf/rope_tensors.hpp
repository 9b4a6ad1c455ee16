// Tensors that no checkpoint has: rope frequencies' factors, computed from config.json.
#pragma once

#include "key_values.hpp"
#include "metadata.hpp"

#include <string>
#include <utility>
#include <vector>

namespace unshard::gguf {

/// A one-dimensional f32 tensor.
struct GeneratedTensor {
    std::string name;
    std::vector<float> values;
    friend bool operator==(const GeneratedTensor&, const GeneratedTensor&) = default;
};

/// None unless config.json asks for them. rope_factors come with the key rope.scaling.attn_factor.
std::vector<GeneratedTensor> generate_tensors(Generated kind, const ModelSizes& sizes, KeyValues& metadata);

}  // namespace unshard::gguf
