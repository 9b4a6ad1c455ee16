// Where PyTorch itself has two readings of the same placements.
#pragma once

#include "unshard/dims.hpp"
#include "unshard/index.hpp"

#include <cstdint>
#include <vector>

namespace unshard {

/// Whether FSDP and distribute_tensor give every rank as many rows of tensor dimension `dim`, `size` long, but not the
/// same ones: then no shape tells which of them split it. The split factors are those that the mesh explains.
bool has_two_readings(std::uint64_t size, std::uint32_t dim, const Dims& mesh,
                      const std::vector<Placement>& placements);

}  // namespace unshard
