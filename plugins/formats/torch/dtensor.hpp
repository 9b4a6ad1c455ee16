// DTensors and ShardedTensors: one rank's piece of a tensor, and what it says about its place in the whole.
#pragma once

#include "formats/torch/device_mesh.hpp"
#include "formats/torch/tensor.hpp"
#include "unshard/index.hpp"

#include <cstdint>
#include <optional>

namespace unshard::torch {

/// A tensor of a state dict with the shards that this file holds: one for a plain tensor or a DTensor, any number for a
/// ShardedTensor. The name is empty, the shards' rank and file are 0, their mesh is a number in the MeshReader.
SourceTensor read_plain(const SavedFile& file, const Rebuild& rebuild);
SourceTensor read_dtensor(const SavedFile& file, const Rebuild& rebuild, MeshReader& meshes);
SourceTensor read_sharded_tensor(const SavedFile& file, const Rebuild& rebuild);

/// A tensor of any of these kinds that this file holds whole, with its shape and origin. Throws Error when it holds a part
/// of it.
SourceTensor read_whole(const SavedFile& file, const Rebuild& rebuild);

/// Whether a DTensor is of PyTorch 2.1 to 2.4, which had no _StridedShard: where two mesh dimensions split one tensor
/// dimension it does not say which of them came first.
bool is_before_strided_shards(const SavedFile& file, const Rebuild& dtensor);

/// The rank that saved a file.
struct Saver {
    std::uint64_t rank = 0;
    std::uint64_t world_size = 0;
};

/// The rank that saved a ShardedTensor, when it is stated.
std::optional<Saver> saver_of(const SavedFile& file, const Rebuild& sharded_tensor);

}  // namespace unshard::torch
