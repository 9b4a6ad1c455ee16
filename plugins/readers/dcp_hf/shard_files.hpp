// The names of sharded safetensors files: shard-00003-model-00001-of-00002.safetensors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unshard::dcp_hf {

/// What one rank saved of one model file.
struct ShardFile {
    std::string path;
    std::uint32_t rank = 0;  ///< from 0 on; the name counts from 1
};

/// Whether a directory holds any file of such a name. Throws Error when it cannot be read.
bool has_shard_files(const std::string& directory);

/// All such files, by rank and model file. Throws Error when there are none, when they are of several saves, or, unless
/// `allow_gaps`, when there is none of some rank.
std::vector<ShardFile> find_shard_files(const std::string& directory, bool allow_gaps);

}  // namespace unshard::dcp_hf
