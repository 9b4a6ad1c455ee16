// What stands beside the weights in a Hugging Face directory.
#pragma once

#include "unshard/layout.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace unshard::safetensors {

struct Assets {
    std::vector<Asset> copied;      ///< sorted by name; config.json is not among them
    std::vector<std::string> left;  ///< what is neither copied nor weights; directories end in '/'
};

/// What goes into the output as it is: everything that a model may need, see assets.cpp. Throws Error for what cannot
/// be looked at, and for links that leave the directory.
Assets find_assets(const std::string& directory, std::vector<std::string>& warnings);

/// The bytes of config.json with these changes (a merge patch). Where it says another dtype than the tensors now have,
/// that word is replaced and nothing else. `dtype` is empty when the tensors have several.
std::string config_for(const std::string& path, std::optional<DType> dtype, const nlohmann::json& changes);

}  // namespace unshard::safetensors
