// DTensors and ShardedTensors: one rank's piece of a tensor, and what it says about its place in the whole.
#pragma once

#include "torch/device_mesh.hpp"
#include "torch/tensor.hpp"
#include "unshard/index.hpp"

namespace unshard::torch {

/// A tensor of a state dict with the shards that this file holds: one for a plain tensor or a DTensor, any number for a
/// ShardedTensor. The name is empty, the shards' rank and file are 0, their mesh counts in the MeshReader.
SourceTensor read_plain(const SavedFile& file, const Rebuild& rebuild);
SourceTensor read_dtensor(const SavedFile& file, const Rebuild& rebuild, MeshReader& meshes);
SourceTensor read_sharded_tensor(const SavedFile& file, const Rebuild& rebuild);

}  // namespace unshard::torch
