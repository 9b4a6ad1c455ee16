// What one of transformers' configuration classes makes of the settings that it is given.
#pragma once

#include <nlohmann/json.hpp>

namespace unshard {

/// `facts` are those of the class in config-classes.json, `layer_types` the old names of layer types with their new
/// ones. Throws Error that names the field.
nlohmann::json class_settings(const nlohmann::json& given, const nlohmann::json& facts,
                              const nlohmann::json& layer_types);

/// As `class_settings` for `rope_parameters` alone: `settings` are the others, `given` what config.json has.
nlohmann::json rope_settings(const nlohmann::json& given, const nlohmann::json& settings, const nlohmann::json& rule);

}  // namespace unshard
