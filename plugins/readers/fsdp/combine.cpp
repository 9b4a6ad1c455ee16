// The ranks of one run must agree on the names of tensors, on the dtype and the whole shape of each, and, if they are
// in one mesh, on that mesh and the placements on it. A tensor need not be on all ranks: with pipeline parallelism, or
// where only part of the model is tensor parallel, it is on the ranks of its mesh. So a tensor is missing on a rank
// only if that rank is in the tensor's mesh. Which ranks must have a plain tensor is for mergers to check: placement
// expects it on all ranks, tensor_parallel on those of its layer's pipeline stage.

#include "combine.hpp"

#include "rank_files.hpp"
#include "unshard/tools/checked.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>

namespace unshard::fsdp {
namespace {

using torch::StateDict;

/// Meshes by value, each kept once.
class MeshTable {
public:
    std::uint32_t add(const Mesh& mesh) {
        std::vector<std::uint64_t> key(mesh.shape.begin(), mesh.shape.end());
        key.insert(key.end(), mesh.ranks.begin(), mesh.ranks.end());
        const auto number = static_cast<std::uint32_t>(meshes_.size());
        const auto [entry, is_new] = numbers_.try_emplace({mesh.dim_names, std::move(key)}, number);
        if (is_new) meshes_.push_back(mesh);
        return entry->second;
    }
    std::vector<Mesh> take() { return std::move(meshes_); }

private:
    std::map<std::pair<std::vector<std::string>, std::vector<std::uint64_t>>, std::uint32_t> numbers_;
    std::vector<Mesh> meshes_;
};

/// Gives the specs of a rank's file the numbers that meshes have in the index.
class SpecTable {
public:
    /// `meshes` are the numbers in the index of those of the file.
    void next_file(std::vector<std::uint32_t> meshes) {
        meshes_ = std::move(meshes);
        known_.clear();
    }

    Shared<ShardSpec> operator()(const Shared<ShardSpec>& of_file) {
        const auto [entry, is_new] = known_.try_emplace(&*of_file);
        if (is_new) {
            ShardSpec spec = *of_file;
            if (spec.mesh) spec.mesh = meshes_[*spec.mesh];
            entry->second = specs_(std::move(spec));
        }
        return entry->second;
    }

private:
    std::vector<std::uint32_t> meshes_;
    std::unordered_map<const ShardSpec*, Shared<ShardSpec>> known_;
    SharedPool<ShardSpec> specs_;
};

/// A tensor and which ranks have it, in rank order.
struct Gathered {
    SourceTensor tensor;
    std::vector<std::uint64_t> ranks;
};

[[noreturn]] void disagree(const Gathered& known, std::uint64_t rank, const std::string& what,
                           const std::string& theirs, const std::string& ours) {
    throw Error(fmt::format("'{}': {} is {} on rank {} and {} on rank {}: rank files of different runs are mixed",
                            known.tensor.name, what, theirs, known.ranks.front(), ours, rank));
}

std::string to_text(const std::optional<Dims>& shape) {
    return shape ? to_string(*shape) : "not stated";
}

void add_rank(Gathered& known, SourceTensor tensor, std::uint64_t rank) {
    if (known.tensor.dtype != tensor.dtype) {
        disagree(known, rank, "the dtype", to_string(known.tensor.dtype), to_string(tensor.dtype));
    }
    if (known.tensor.shape != tensor.shape) {
        disagree(known, rank, "the whole shape", to_text(known.tensor.shape), to_text(tensor.shape));
    }
    known.ranks.push_back(rank);
    std::ranges::move(tensor.shards, std::back_inserter(known.tensor.shards));
}

/// All tensors, in the order of the first rank that has them.
std::vector<Gathered> gather(std::vector<StateDict>& ranks, MeshTable& meshes) {
    std::vector<Gathered> gathered;
    std::unordered_map<std::string, std::size_t> known;
    SpecTable specs;
    for (std::uint64_t rank = 0; rank < ranks.size(); ++rank) {
        std::vector<std::uint32_t> mesh_numbers;
        for (const Mesh& mesh : ranks[rank].meshes) mesh_numbers.push_back(meshes.add(mesh));
        specs.next_file(std::move(mesh_numbers));
        for (SourceTensor& tensor : ranks[rank].tensors) {
            for (Shard& shard : tensor.shards) {
                shard.file = static_cast<std::uint32_t>(rank);
                shard.spec = specs(shard.spec);
            }
            const auto [entry, is_new] = known.try_emplace(tensor.name, gathered.size());
            if (is_new) {
                gathered.push_back({std::move(tensor), {rank}});
            } else {
                add_rank(gathered[entry->second], std::move(tensor), rank);
            }
        }
        ranks[rank].tensors.clear();
        ranks[rank].meshes.clear();
    }
    return gathered;
}

[[noreturn]] void refuse_missing(const Gathered& tensor, const std::vector<std::uint64_t>& missing) {
    throw Error(
        fmt::format("'{}': missing in the file of {}, present in that of {}: rank files of different runs are mixed, "
                    "or one is incomplete",
                    tensor.tensor.name, list_ranks(missing), list_ranks(tensor.ranks)));
}

/// A tensor must be on all ranks when its shards state origins, or when only some of them state placements.
void check_on_all(const Gathered& tensor, std::uint64_t world_size) {
    std::vector<std::uint64_t> missing;
    auto present = tensor.ranks.begin();
    for (std::uint64_t rank = 0; rank < world_size; ++rank) {
        if (present != tensor.ranks.end() && *present == rank) {
            ++present;
        } else {
            missing.push_back(rank);
        }
    }
    if (!missing.empty()) refuse_missing(tensor, missing);
}

/// The shards of a tensor that has placements, by rank.
class ShardsByRank {
public:
    ShardsByRank(const Gathered& tensor, std::uint64_t world_size) : tensor_(tensor), by_rank_(world_size, nullptr) {
        for (const Shard& shard : tensor.tensor.shards) by_rank_[shard.rank] = &shard;
    }

    /// Each rank of a mesh must hold a shard, on that same mesh, split in the same way.
    void check(const Shard& first, const Mesh& mesh) const {
        std::vector<std::uint64_t> missing;
        for (const std::uint64_t rank : mesh.ranks) {
            if (rank >= by_rank_.size()) {
                throw Error(
                    fmt::format("'{}': its mesh has rank {}, the last file is that of rank {}: rank files of different "
                                "runs are mixed",
                                tensor_.tensor.name, rank, by_rank_.size() - 1));
            }
            const Shard* shard = by_rank_[rank];
            if (shard == nullptr) {
                missing.push_back(rank);
            } else if (shard->spec->mesh != first.spec->mesh) {
                differ("mesh", first, *shard);
            } else if (shard->spec->placements != first.spec->placements) {
                differ("placements", first, *shard);
            }
        }
        if (!missing.empty()) refuse_missing(tensor_, missing);
    }

private:
    [[noreturn]] void differ(const std::string& what, const Shard& a, const Shard& b) const {
        throw Error(fmt::format("'{}': ranks {} and {} disagree on its {}: rank files of different runs are mixed",
                                tensor_.tensor.name, a.rank, b.rank, what));
    }

    const Gathered& tensor_;
    std::vector<const Shard*> by_rank_;
};

void check_ranks(const Gathered& tensor, const std::vector<Mesh>& meshes, std::uint64_t world_size) {
    const auto& shards = tensor.tensor.shards;
    if (std::ranges::all_of(shards, is_plain)) return;
    const auto has_mesh = [](const Shard& shard) { return shard.spec->mesh.has_value(); };
    if (!std::ranges::all_of(shards, has_mesh)) {
        check_on_all(tensor, world_size);
        return;
    }
    const ShardsByRank by_rank(tensor, world_size);
    std::set<std::uint32_t> seen;
    for (const Shard& shard : shards) {
        if (shard.spec->mesh && seen.insert(*shard.spec->mesh).second) by_rank.check(shard, meshes[*shard.spec->mesh]);
    }
}

void check_world_sizes(const std::vector<StateDict>& ranks) {
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
        const std::uint64_t stated = ranks[rank].world_size.value_or(ranks.size());
        if (stated == ranks.size()) continue;
        throw Error(
            fmt::format("the file of rank {} is of a run of {} ranks, there are files of {}: rank files of different "
                        "runs are mixed",
                        rank, stated, ranks.size()));
    }
}

void check_roots(const std::vector<StateDict>& ranks) {
    for (std::size_t rank = 1; rank < ranks.size(); ++rank) {
        if (ranks[rank].root == ranks[0].root) continue;
        throw Error(
            fmt::format("the model is in '{}' of the file of rank 0 and in '{}' of that of rank {}: rank files of "
                        "different runs are mixed, or name the part to convert with --set input.root=",
                        ranks[0].root, ranks[rank].root, rank));
    }
}

/// What was left out, each name once.
std::vector<Dropped> unite_dropped(const std::vector<StateDict>& ranks) {
    std::vector<Dropped> dropped;
    std::set<std::string> seen;
    for (const StateDict& rank : ranks) {
        for (const Dropped& item : rank.dropped) {
            if (seen.insert(item.name).second) dropped.push_back(item);
        }
    }
    return dropped;
}

}  // namespace

std::uint64_t least_world_size(const std::vector<StateDict>& ranks) {
    std::uint64_t world_size = 0;
    bool is_stated = false;
    for (const StateDict& rank : ranks) {
        world_size = std::max(world_size, rank.world_size.value_or(0));
        is_stated |= rank.world_size.has_value();
        for (const Mesh& mesh : rank.meshes) {
            for (const std::uint64_t r : mesh.ranks) world_size = std::max(world_size, checked_add(r, 1));
        }
    }
    return is_stated ? world_size : std::max<std::uint64_t>(world_size, ranks.size());
}

CheckpointIndex combine(std::vector<StateDict> ranks) {
    CheckpointIndex index;
    index.ranks = ranks.size();
    check_world_sizes(ranks);
    check_roots(ranks);
    MeshTable meshes;
    std::vector<Gathered> gathered = gather(ranks, meshes);
    index.meshes = meshes.take();
    for (Gathered& tensor : gathered) {
        check_ranks(tensor, index.meshes, index.ranks);
        index.tensors.push_back(std::move(tensor.tensor));
    }
    index.dropped = unite_dropped(ranks);
    return index;
}

}  // namespace unshard::fsdp
