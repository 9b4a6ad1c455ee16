// Whether a model that is about to be written is the one that config.json describes.
#pragma once

#include "model/quantised.hpp"
#include "models/model_files.hpp"
#include "pipeline/pipeline.hpp"
#include "unshard/plan.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace unshard {

struct ModelCheck {
    const nlohmann::json& config;  ///< config.json; null when there is none
    const KnownModel& known;
    const Pipeline::Select& select;
    const QuantisedWeights& quantised;
    std::string cause_of_other_shapes = {};  ///< what is said behind wrong shapes
};

/// Compares the plan's names and shapes with what is known of the class in config.json. Tensors that [select] drops are
/// missing, those that it keeps are not unexpected; quantised weights are looked for under their plain names. Throws
/// Error that lists what is missing, unexpected or of another shape; with `allow_missing`, what is missing is a warning
/// of the plan; so is a class that nothing is known of. Returns one line for the report.
std::string check_model(Plan& plan, const ModelCheck& wanted);

}  // namespace unshard
