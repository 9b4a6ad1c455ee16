// Many ranks' state dicts become one index.
#pragma once

#include "formats/torch/state_dict.hpp"
#include "unshard/index.hpp"

#include <cstdint>
#include <vector>

namespace unshard::fsdp {

/// How many ranks the run had, as far as the files say: they may state it, and a mesh lists some of the ranks.
std::uint64_t least_world_size(const std::vector<torch::StateDict>& ranks);

/// Gathers each tensor's shards from all ranks, in rank order; `ranks[r]` is what rank r saved. Fills tensors, meshes
/// and what was dropped. Throws Error that names tensor and ranks where ranks disagree, or where a tensor is missing.
CheckpointIndex combine(std::vector<torch::StateDict> ranks);

}  // namespace unshard::fsdp
