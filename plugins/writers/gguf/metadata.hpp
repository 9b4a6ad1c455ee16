// A model's own keys, from its key table and config.json.
#pragma once

#include "formats/gguf/key_values.hpp"
#include "model_file.hpp"

#include <nlohmann/json.hpp>

#include <span>

namespace unshard::gguf {

/// What the rules are applied to.
struct ModelSizes {
    std::string arch;
    nlohmann::json config;  ///< ModelConfig::settings
    Values values;          ///< of the rules' names
};

/// The rope settings of layers with full attention.
const nlohmann::json& full_attention_rope(const nlohmann::json& config);

/// Adds one key for each rule that gives a value; one that `yields` gives none when `others` has the key. Throws Error
/// that names the field of config.json.
void add_model_keys(KeyValues& metadata, std::span<const KeyRule> rules, const ModelSizes& sizes,
                    const KeyValues& others = {});

}  // namespace unshard::gguf
