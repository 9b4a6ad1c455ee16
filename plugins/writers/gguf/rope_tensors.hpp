// Tensors that no checkpoint has: rope frequencies' factors, computed from config.json.
#pragma once

#include "formats/gguf/key_values.hpp"
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

/// None unless config.json asks for them. `keys` are the model's own; rope_factors add rope.scaling.attn_factor to
/// `metadata`.
std::vector<GeneratedTensor> generate_tensors(Generated kind, const ModelSizes& sizes, const KeyValues& keys,
                                              KeyValues& metadata);

}  // namespace unshard::gguf
