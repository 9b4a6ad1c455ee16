// What config.json can say that GGUF, or the architecture in llama.cpp, cannot express: said in a warning where the
// file can be loaded all the same, refused where it cannot.
#pragma once

#include "metadata.hpp"
#include "model_file.hpp"

#include <string>
#include <vector>

namespace unshard::gguf {

/// Adds a line to `warnings` for each note that applies. Throws Error for the first refusal that does.
void add_remarks(const GgufModel& model, const ModelSizes& sizes, std::vector<std::string>& warnings);

}  // namespace unshard::gguf
