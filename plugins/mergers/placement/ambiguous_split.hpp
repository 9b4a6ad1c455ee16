// Placements to which two parts of PyTorch give different rows.
#pragma once

#include "unshard/dims.hpp"
#include "unshard/index.hpp"

#include <cstdint>
#include <vector>

namespace unshard {

/// Whether FSDP and distribute_tensor give every rank the same number of rows of tensor dimension `dim`, `size` long,
/// but not the same rows: then the shapes do not show which of them split it. Split factors must be those that the
/// later mesh dimensions give.
bool is_ambiguous_split(std::uint64_t size, std::uint32_t dim, const Dims& mesh,
                        const std::vector<Placement>& placements);

}  // namespace unshard
