// Whether a model that is about to be written is the one that config.json describes.
#pragma once

#include "pipeline/pipeline.hpp"
#include "unshard/plan.hpp"

#include <nlohmann/json.hpp>

#include <span>
#include <string>

namespace unshard {

/// Holds the plan's names and shapes against what the first of the directories `models` that knows it says of the
/// architecture in `config` (null when there is no config.json). Tensors that [select] drops are not missed, those that
/// it keeps are not unexpected. Throws Error that lists what is missing, unexpected or of another shape; with
/// `allow_missing`, what is missing is a warning of the plan. Returns one line for the report.
std::string check_model(Plan& plan, const nlohmann::json& config, std::span<const std::string> models,
                        const Pipeline::Select& select, const std::string& cause_of_other_shapes = "");

}  // namespace unshard
