// Makes whole tensors of one part for each rank, by the rules of the model.
#pragma once

#include "models/rules.hpp"
#include "tensor_parallel/rank_mesh.hpp"
#include "unshard/index.hpp"
#include "unshard/plan.hpp"

namespace unshard {

/// Names in `index` are the model's own: wrapper prefixes are stripped. Throws Error for a tensor that no rule matches,
/// that states its own place, or whose parts do not add up to the shape that config.json gives.
Plan plan_tensor_parallel(const CheckpointIndex& index, const ModelRules& rules, const Values& values,
                          const RankMesh& mesh);

}  // namespace unshard
