// Names that show that renaming or dropping tensors would give a wrong model.
#pragma once

#include "pipeline/pipeline.hpp"
#include "unshard/index.hpp"

#include <nlohmann/json.hpp>

namespace unshard {

/// Before anything is renamed or dropped. Throws Error for LoRA adapters beside their base weights, and for the names
/// of torchtitan's and Meta's Llama where they are renamed or `config` (null when there is none) is of another class:
/// each could be made to look like a complete model, with other logits.
void refuse_foreign_names(const CheckpointIndex& index, const nlohmann::json& config, const Pipeline::Select& select);

}  // namespace unshard
