// Where the facts about models are: beside the pipeline file, and in configs/models beside the program.
#pragma once

#include "pipeline/pipeline.hpp"

#include <span>
#include <string>
#include <vector>

namespace unshard {

/// Those that options of outputs and of the merger name as `model_dir`, then the pipeline's own directory of models,
/// then `../share/unshard/configs/models` of the executable, in a build and in an installation alike; without what is
/// not there.
std::vector<std::string> models_directories(const Pipeline& pipeline);

/// A plugin's options without the one that is the program's.
nlohmann::json without_models_directory(nlohmann::json options);

/// What `--rules` means: a file when it looks like one ("my/rules.toml"), else a name in one of `directories`. Throws
/// UsageError that lists the known names.
std::string rules_file(const std::string& rules, std::span<const std::string> directories);

}  // namespace unshard
