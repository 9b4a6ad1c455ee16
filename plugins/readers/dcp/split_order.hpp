// Chunks of FSDP2 over tensor parallelism that PyTorch 2.3 notes in each other's places.
#pragma once

#include "formats/torch/split_order.hpp"
#include "metadata.hpp"

#include <optional>
#include <vector>

namespace unshard::dcp {

/// For metadata of PyTorch before 2.4. Chunks that are on a grid (two dimensions of a tensor split) show that FSDP and
/// tensor parallelism were used together; where both then split dimension 0 of a tensor, the boxes are those of
/// left_to_right whichever it was. With inner_first they are set right. Throws Error when neither the option nor a size
/// that does not divide tells which it was.
void settle_split_order(std::vector<Tensor>& tensors, std::optional<torch::SplitOrder> stated);

}  // namespace unshard::dcp
