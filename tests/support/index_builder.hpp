// Checkpoint indexes made by hand: one file for each rank, shards contiguous, one behind the other.
#pragma once

#include "unshard/index.hpp"

#include <string>
#include <utility>
#include <vector>

namespace unshard::test {

/// Gives a shard a spec with something changed.
void change_spec(Shard& shard, auto change) {
    ShardSpec spec = *shard.spec;
    change(spec);
    shard.spec = std::move(spec);
}

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
    IndexBuilder& shard(std::uint32_t rank, ShardSpec spec) {
        SourceTensor& tensor = index_.tensors.back();
        Shard s = contiguous_shard(rank, index_.files[rank].bytes, tensor.dtype, std::move(spec));
        s.rank = rank;
        index_.files[rank].bytes += s.bytes;
        tensor.shards.push_back(s);
        return *this;
    }

    IndexBuilder& plain(std::uint32_t rank, Dims shape) { return shard(rank, {.shape = std::move(shape)}); }

    IndexBuilder& placed(std::uint32_t rank, Dims shape, std::uint32_t mesh, std::vector<Placement> placements) {
        return shard(rank, {.shape = std::move(shape), .mesh = mesh, .placements = std::move(placements)});
    }

    IndexBuilder& at(std::uint32_t rank, Dims shape, Dims origin) {
        return shard(rank, {.shape = std::move(shape), .origin = std::move(origin)});
    }

    const CheckpointIndex& index() const { return index_; }

private:
    CheckpointIndex index_;
};

}  // namespace unshard::test
