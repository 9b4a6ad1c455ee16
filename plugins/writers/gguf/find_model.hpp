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
    ArchTensors known;  ///< the tensors that its architecture has in llama.cpp
};

/// Throws Error that lists the known architectures when there is no file with a `gguf` table for the model, UsageError
/// when nothing says what llama.cpp's architecture has.
FoundModel find_model(const Request& request);

}  // namespace unshard::gguf
