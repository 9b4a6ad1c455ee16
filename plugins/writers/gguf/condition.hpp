// The conditions on config.json in files of configs/models.
#pragma once

#include "model_file.hpp"

namespace unshard::gguf {

/// `config` is ModelConfig::settings.
bool holds(const Condition& condition, const nlohmann::json& config, const Values& values);

}  // namespace unshard::gguf
