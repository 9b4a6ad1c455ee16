// The order in which two mesh dimensions split one dimension of a tensor, where the files do not state it.
#pragma once

#include "formats/torch/split_order.hpp"
#include "unshard/index.hpp"

#include <optional>

namespace unshard::fsdp {

/// For checkpoints of PyTorch 2.1 to 2.4. Takes the stated order, or else the only one of the two that the shards'
/// shapes agree with, and writes inner_first as _StridedShard, as later releases do. Throws Error when the shapes agree
/// with both.
void settle_split_order(CheckpointIndex& index, std::optional<torch::SplitOrder> stated);

}  // namespace unshard::fsdp
