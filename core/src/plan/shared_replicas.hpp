// Replicas that need no comparison.
#pragma once

#include "unshard/index.hpp"
#include "unshard/plan.hpp"

namespace unshard {

/// Removes the replicas that are the very bytes of a copy, as of tied weights in one storage: they need no comparison.
/// The plan has been verified.
void forget_shared_replicas(const CheckpointIndex& index, Plan& plan);

}  // namespace unshard
