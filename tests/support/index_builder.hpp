// Checkpoint indexes made by hand: one file for each rank, shards contiguous, one behind the other.
#pragma once

#include "unshard/index.hpp"

#include <string>
#include <utility>
#include <vector>

namespace unshard::test {

class IndexBuilder {
public:
    explicit IndexBuilder(std::uint32_t ranks) {
        index_.ranks = ranks;
        for (std::uint32_t r = 0; r < ranks; ++r) index_.files.push_back({"rank_" + std::to_string(r), 0});
    }

    std::uint32_t mesh(Dims shape, std::vector<std::uint64_t> ranks) {
        index_.meshes.push_back({shape, {}, std::move(ranks)});
        return static_cast<std::uint32_t>(index_.meshes.size() - 1);
    }

    IndexBuilder& tensor(const std::string& name, std::optional<Dims> shape, DType dtype = DType::f32) {
        index_.tensors.push_back({name, dtype, shape, {}});
        return *this;
    }

    /// A shard of the last tensor, contiguous at the end of the rank's file.
    Shard& shard(std::uint32_t rank, Dims shape) {
        SourceTensor& tensor = index_.tensors.back();
        Shard s;
        s.file = s.rank = rank;
        s.offset = index_.files[rank].bytes;
        s.bytes = shape.numel() * size_of(tensor.dtype);
        s.shape = shape;
        s.stride = contiguous_strides(shape);
        index_.files[rank].bytes += s.bytes;
        return tensor.shards.emplace_back(s);
    }

    IndexBuilder& plain(std::uint32_t rank, Dims shape) {
        shard(rank, shape);
        return *this;
    }

    IndexBuilder& placed(std::uint32_t rank, Dims shape, std::uint32_t mesh, std::vector<Placement> placements) {
        Shard& s = shard(rank, shape);
        s.mesh = mesh;
        s.placements = std::move(placements);
        return *this;
    }

    const CheckpointIndex& index() const { return index_; }

private:
    CheckpointIndex index_;
};

}  // namespace unshard::test
