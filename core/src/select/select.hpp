// Names: wrapper prefixes, renaming, dropping, tied weights.
#pragma once

#include "pipeline/pipeline.hpp"
#include "unshard/plan.hpp"

#include <nlohmann/json.hpp>

namespace unshard {

/// Removes wrapper prefixes from all names, before anything looks at them. Throws Error when two tensors get one name.
void strip_names(CheckpointIndex& index, const std::vector<std::string>& prefixes);

/// Applies the rest of the pipeline's [select] to a merged plan, in this order: rename, drop, tied weights. `config` is
/// the model's config.json (null when there is none). A tied `lm_head.weight` is dropped and its pieces become replicas
/// of the embedding, so that the copy pass proves them equal. A rule that matches nothing is a warning. Throws Error
/// when two tensors get one name (both are named as in the checkpoint) or none is left, UsageError for a bad pattern.
Plan select(Plan plan, const Pipeline::Select& rules, const nlohmann::json& config);

}  // namespace unshard
