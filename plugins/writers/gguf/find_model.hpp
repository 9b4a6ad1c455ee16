// Finds the file of configs/models that describes a model.
#pragma once

#include "arch_tensors.hpp"
#include "model_file.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace unshard::gguf {

struct FoundModel {
    ModelRules rules;
    GgufModel gguf;
    std::optional<ArchTensors> known;  ///< nothing for an architecture that is not in gguf/tensors.toml
    std::string directory;             ///< that the file lies in
};

/// The first of the directories that has the architecture counts. Throws Error that lists the known architectures when
/// none has it.
FoundModel find_model(const nlohmann::json& config, const std::vector<std::string>& directories);

/// `gguf/NAME` in the first directory that has it.
std::string find_shared_file(const std::string& name, const std::vector<std::string>& directories);

}  // namespace unshard::gguf
