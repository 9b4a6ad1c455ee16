// What the command line changes in a pipeline file, done before the file is checked.
#pragma once

#include "pipeline/pipeline.hpp"

#include <toml++/toml.h>

#include <span>

namespace unshard {

/// Throws UsageError that begins with the setting's `option`.
void apply_settings(toml::table& document, std::span<const Setting> settings);

}  // namespace unshard
