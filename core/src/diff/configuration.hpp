// Compares what two models have beside tensors: config.json and the tokenizer, or the keys of GGUF files.
#pragma once

#include "engine.hpp"

#include <string>
#include <vector>

namespace unshard {

struct ConfigurationDifference {
    std::vector<std::string> equal;      ///< what was compared and is the same: names of files, or "24 keys"
    std::vector<std::string> different;  ///< what is not, in words
    std::string not_compared;            ///< why nothing was compared; empty when something was
};

/// Two directories: config.json by its values (but for those that a conversion may change: dtype, transformers_version,
/// _name_or_path), other files byte for byte; a tokenizer file that only one has is a difference. Two models whose
/// readers give `metadata` with `keys`: each key. Throws Error when a file cannot be read.
ConfigurationDifference compare_configuration(const Model& a, const Model& b);

}  // namespace unshard
