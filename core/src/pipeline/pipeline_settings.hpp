// What the command line changes in a pipeline file, done before the file is checked.
#pragma once

#include "models/document.hpp"
#include "pipeline/pipeline.hpp"

#include <span>

namespace unshard {

/// Throws UsageError that begins with the setting's `option`.
void apply_settings(Document& document, std::span<const Setting> settings);

}  // namespace unshard
