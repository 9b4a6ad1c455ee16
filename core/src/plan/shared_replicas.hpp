// Replicas that need no comparison.
#pragma once

#include "unshard/index.hpp"
#include "unshard/plan.hpp"

namespace unshard {

/// Removes replicas that are read from the same bytes as a copy, e.g. those of tied weights that share a storage. The
/// plan has been verified.
void forget_shared_replicas(const CheckpointIndex& index, Plan& plan);

}  // namespace unshard
