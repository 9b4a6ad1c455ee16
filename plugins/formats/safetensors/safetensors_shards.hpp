// Tensors of safetensors files as shards. torch.distributed.checkpoint notes in the header where each lies in the
// whole.
#pragma once

#include "formats/safetensors/safetensors_header.hpp"
#include "unshard/index.hpp"

#include <map>
#include <optional>
#include <string>

namespace unshard::torch {

/// The tensor's elements; `file` and `rank` are 0, the origin is not set.
Shard shard_of(const SafetensorsEntry& entry);

/// The origin of each tensor by name; nothing for a header without such a note. Throws Error.
std::optional<std::map<std::string, Dims>> read_sharding_info(const SafetensorsHeader& header);

}  // namespace unshard::torch
