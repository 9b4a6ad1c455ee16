// What is known of a model, for GGUF.
#pragma once

#include "arch_tensors.hpp"
#include "model_file.hpp"
#include "unshard/request.hpp"

#include <optional>

namespace unshard::gguf {

struct FoundModel {
    ModelRules rules;
    GgufModel gguf;
    std::optional<ArchTensors> known;  ///< nothing for an architecture that neither data/tensors.toml nor the file has
};

/// Throws Error that lists the known architectures when there is no file with a `gguf` table for the model.
FoundModel find_model(const Request& request);

}  // namespace unshard::gguf
