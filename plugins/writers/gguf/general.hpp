// general.*: what a GGUF file says of itself, besides its architecture.
#pragma once

#include "container.hpp"
#include "formats/gguf/key_values.hpp"

#include <nlohmann/json.hpp>

#include <span>
#include <string>

namespace unshard::gguf {

/// "8B", "124M", "8x7B": the number of parameters as gguf-py writes it.
std::string size_label(std::span<const TensorInfo> tensors);

/// "llama-2-7b" -> "Llama 2 7b".
std::string title_of(const std::string& name);

/// The model's name: `_name_or_path` of config.json, or the name of the directory, or `model_type` where the directory
/// is called `huggingface`, as trainers call it.
std::string model_name(const nlohmann::json& config, const std::string& directory);

/// llama.cpp takes a model with "phi3" or "phi-3" in its name for Phi 3, looks for that one's tokens and fails without
/// them. Throws Error when it would.
void check_name(const KeyValues& metadata);

/// Adds general.sampling.* from generation_config.json, when the directory has it.
void add_sampling(KeyValues& metadata, const std::string& directory);

}  // namespace unshard::gguf
