// What stands beside the weights in a Hugging Face directory.
#pragma once

#include "unshard/layout.hpp"

#include <optional>
#include <string>
#include <vector>

namespace unshard::safetensors {

/// Files that go into the output as they are, sorted by name: configurations, tokenizer, chat templates, the code that
/// `auto_map` names. Never weights, their index files or optimizer states. config.json is not among them.
std::vector<Asset> find_assets(const std::string& directory, std::vector<std::string>& warnings);

/// The bytes of config.json. Where it says another dtype than the tensors now have, that word is replaced and nothing
/// else. `dtype` is empty when the tensors have several.
std::string config_with_dtype(const std::string& path, std::optional<DType> dtype);

}  // namespace unshard::safetensors
