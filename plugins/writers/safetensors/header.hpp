// One safetensors file: its header and where each tensor's bytes go.
#pragma once

#include "unshard/dims.hpp"
#include "unshard/dtype.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace unshard::safetensors {

struct Entry {
    std::string name;
    DType dtype = DType::f32;
    Dims shape;
    std::uint32_t tensor = 0;  ///< into Plan::tensors
    std::uint64_t bytes = 0;
};

/// Sorts entries into the order in which the safetensors library stores them: wide types first, so that every tensor is
/// aligned to its element size, then by name.
void sort_as_stored(std::vector<Entry>& entries);

/// The length field and the JSON, padded with spaces to a multiple of 8. Tensors follow it in the order given.
std::string header_of(std::span<const Entry> entries);

}  // namespace unshard::safetensors
