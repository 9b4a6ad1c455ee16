// How a tensor is stored, in words.
#pragma once

#include "unshard/index.hpp"

#include <optional>
#include <string>

namespace unshard {

/// "Shard(0) x4 on ('fsdp')", "whole on 4 ranks", "3 boxes"; "whole" for one shard.
std::string stored_text(const SourceTensor& tensor, const CheckpointIndex& index);

/// As PyTorch prints it: "Shard(0)", "Replicate()".
std::string to_string(const Placement& placement);

/// The whole tensor's shape, in elements: as stated, or the shape of all shards if they agree and nothing states that
/// they are parts.
std::optional<Dims> known_shape(const SourceTensor& tensor);

/// The shape of a tensor that is stored in blocks. The last dimension of `in_bytes` counts bytes.
Dims shape_in_elements(const Dims& in_bytes, const Encoding& encoding);

/// The dtype, or the name of the blocks.
std::string type_text(const SourceTensor& tensor);

/// The checkpoint's files, without what is packed in them.
struct StoredFiles {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
};
StoredFiles stored_files(const CheckpointIndex& index);

/// The bytes of all shards, replicas included.
std::uint64_t stored_bytes(const SourceTensor& tensor);

}  // namespace unshard
