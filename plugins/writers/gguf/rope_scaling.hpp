// The rope.scaling keys of a model's rope_type, and what of its rope settings llama.cpp does not follow.
#pragma once

#include "metadata.hpp"
#include "model_file.hpp"

#include <string>
#include <vector>

namespace unshard::gguf {

/// Adds the keys; `warnings` get a line for each setting that changes the model's results and that llama.cpp has no
/// key for.
void add_rope_scaling(KeyValues& metadata, const GgufModel& model, const ModelSizes& sizes,
                      std::vector<std::string>& warnings);

}  // namespace unshard::gguf
