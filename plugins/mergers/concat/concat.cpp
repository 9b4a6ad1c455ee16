// Concatenates along dimension 0 in rank order, as common merge scripts do. That is right only for tensors that were
// split so, and the checkpoint does not say whether they were. So this merger must be asked for, and it refuses tensors
// that state another split.

#include "unshard/plugin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace unshard {
namespace {

/// A shard that states its place must have been split along dimension 0 alone, in the order of the ranks.
void check_split(const CheckpointIndex& index, const SourceTensor& tensor, const Shard& shard) {
    bool agrees = is_plain(shard);
    if (shard.spec->mesh) {
        const Mesh& mesh = index.meshes.at(*shard.spec->mesh);
        agrees = shard.spec->placements == std::vector{Placement{PlacementKind::shard, 0, 1}} &&
                 mesh.ranks.size() == index.ranks && std::ranges::is_sorted(mesh.ranks);
    }
    if (agrees) return;
    throw Error(
        fmt::format("'{}': rank {} states a place other than a share of dimension 0, concatenating would scramble it: "
                    "use merger 'placement'",
                    tensor.name, shard.rank));
}

void check_other_dims(const SourceTensor& tensor, const Shard& shard) {
    const Dims& first = tensor.shards.front().spec->shape;
    bool same = shard.spec->shape.rank() == first.rank();
    for (std::size_t i = 1; same && i < first.rank(); ++i) same = shard.spec->shape[i] == first[i];
    if (same) return;
    throw Error(fmt::format(
        "'{}': rank {} holds {}, rank {} holds {}: they differ in more than dimension 0 and cannot be concatenated",
        tensor.name, tensor.shards.front().rank, to_string(first), shard.rank, to_string(shard.spec->shape)));
}

class ConcatMerger : public Merger {
public:
    Plan plan(const CheckpointIndex& index, const Request& request) override {
        Options(request.options).finish();
        Plan plan;
        for (std::uint32_t i = 0; i < index.tensors.size(); ++i) plan.tensors.push_back(concatenated(index, i));
        return plan;
    }

private:
    /// The numbers of the shards in the order of their ranks; each rank must have one.
    static std::vector<std::uint32_t> in_rank_order(const SourceTensor& tensor, std::uint64_t ranks) {
        std::vector<std::uint32_t> order(tensor.shards.size());
        std::iota(order.begin(), order.end(), 0U);
        std::ranges::sort(order, {}, [&](std::uint32_t i) { return tensor.shards[i].rank; });
        std::set<std::uint32_t> holders;
        for (const Shard& s : tensor.shards) holders.insert(s.rank);
        if (holders.size() != ranks) {
            throw Error(fmt::format("'{}': is on {} of {} ranks: nothing says where it belongs", tensor.name,
                                    holders.size(), ranks));
        }
        if (tensor.shards.size() == holders.size()) return order;
        throw Error(fmt::format("'{}': a rank holds several pieces of it: use merger 'placement'", tensor.name));
    }

    static PlannedTensor concatenated(const CheckpointIndex& index, std::uint32_t number) {
        const SourceTensor& tensor = index.tensors[number];
        const std::vector<std::uint32_t> order = in_rank_order(tensor, index.ranks);
        PlannedTensor planned{tensor.name, tensor.dtype, tensor.shards.front().spec->shape, {}, {}, {}, true};
        if (planned.shape.empty()) return scalar(planned, tensor, number);
        std::uint64_t rows = 0;
        for (const std::uint32_t i : order) {
            const Shard& s = tensor.shards[i];
            check_split(index, tensor, s);
            check_other_dims(tensor, s);
            Box box = Box::whole(s.spec->shape);
            box.origin[0] = rows;
            if (box.extent.numel() != 0) planned.copies.push_back({number, i, s.first, s.spec->stride, box});
            rows = checked_add(rows, s.spec->shape[0]);
        }
        planned.shape[0] = rows;
        planned.view = planned.shape;
        if (tensor.shape && *tensor.shape != planned.shape) {
            throw Error(fmt::format("'{}': the shards make {}, the checkpoint states {}: use merger 'placement'",
                                    tensor.name, to_string(planned.shape), to_string(*tensor.shape)));
        }
        return planned;
    }

    /// A scalar cannot be split: every rank holds it, and all must hold the same.
    static PlannedTensor scalar(PlannedTensor planned, const SourceTensor& tensor, std::uint32_t number) {
        planned.replicas_stated = false;
        for (std::uint32_t i = 0; i < tensor.shards.size(); ++i) {
            const Shard& s = tensor.shards[i];
            if (!s.spec->shape.empty()) check_other_dims(tensor, s);
            (i == 0 ? planned.copies : planned.replicas).push_back({number, i, s.first, {}, {}});
        }
        return planned;
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::ConcatMerger, "concat", UNSHARD_VERSION, "along dimension 0 in rank order; only when asked for")
