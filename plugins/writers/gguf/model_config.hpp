// config.json with everything filled in that transformers would: what convert_hf_to_gguf.py sees instead of the file.
#pragma once

#include "models/expression.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace unshard::gguf {

/// `text_config` is put over the root; `defaults` (see model_file.hpp) fill what is not there; all forms of rope
/// settings become `rope_parameters`, in which `full_attention` and `sliding_attention` can lie.
nlohmann::json filled_config(const nlohmann::json& config, const nlohmann::json& defaults, const Values& values);

/// The first of these fields that is there and not null, else null. "a.b" is field b of the object a.
const nlohmann::json& find_field(const nlohmann::json& config, const std::vector<std::string>& fields);

/// The rope settings of layers with full attention.
const nlohmann::json& full_attention_rope(const nlohmann::json& config);

}  // namespace unshard::gguf
