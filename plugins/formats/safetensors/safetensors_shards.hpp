// Tensors of safetensors files as shards. torch.distributed.checkpoint writes into the header where in its whole tensor
// each of them begins.
#pragma once

#include "formats/safetensors/safetensors_header.hpp"
#include "unshard/index.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace unshard::torch {

/// The tensor's elements, which lie at `origin` in the whole tensor.
Shard shard_of(const SafetensorsEntry& entry, std::uint32_t file, Dims origin);

/// The origin of each tensor by name; nothing when the header does not state any. Throws Error.
std::optional<std::map<std::string, Dims>> read_sharding_info(const SafetensorsHeader& header);

}  // namespace unshard::torch
