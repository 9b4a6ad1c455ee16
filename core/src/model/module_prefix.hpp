// The attribute of a training module (Lightning, Composer) that holds the model: it stands in front of all names.
#pragma once

#include "models/completeness.hpp"
#include "models/model_files.hpp"
#include "unshard/index.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace unshard {

/// "net." where every name of the class is there once this is taken off; empty where no prefix does it.
std::string module_prefix(const ModelRules& rules, const Values& values, const std::vector<NamedShape>& shapes);

/// Takes such a prefix off, once, and says so. Only where training code wrote the checkpoint, the class is known and no
/// name is one of it. `config` are the model's settings.
std::optional<std::string> take_off_module_prefix(CheckpointIndex& index, const KnownModel& known,
                                                  const nlohmann::json& config);

}  // namespace unshard
