// Corrects the boxes of FSDP2 over tensor parallelism, which PyTorch 2.3 states wrongly.
#pragma once

#include "formats/torch/split_order.hpp"
#include "metadata.hpp"

#include <optional>
#include <vector>

namespace unshard::dcp {

/// For metadata of PyTorch before 2.4. A tensor whose chunks form a grid (two of its dimensions are split) shows that
/// FSDP and tensor parallelism were used together. Where both split dimension 0 of a tensor, the boxes are always those
/// of left_to_right; with inner_first they are corrected. Throws Error when neither the option nor an uneven size tells
/// which it was.
void settle_split_order(std::vector<Tensor>& tensors, std::optional<torch::SplitOrder> stated);

}  // namespace unshard::dcp
