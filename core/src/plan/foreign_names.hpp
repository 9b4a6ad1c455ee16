// Names that show that renaming or dropping tensors would give a wrong model.
#pragma once

#include "pipeline/pipeline.hpp"
#include "unshard/index.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace unshard {

/// Before anything is renamed or dropped. Throws Error for LoRA adapters beside their base weights, which could be made
/// to look like a complete model, with other logits. `config` is null when there is none.
void refuse_lora(const CheckpointIndex& index, const nlohmann::json& config);

/// The same for the names of torchtitan's and Meta's Llama (`names`, before any was changed), where they are renamed or
/// `config` is of another class.
void refuse_interleaved_rows(const std::vector<std::string>& names, const nlohmann::json& config,
                             const Pipeline::Select& select);

}  // namespace unshard
