#include "plan/shared_replicas.hpp"

#include <set>
#include <tuple>

namespace unshard {

void forget_shared_replicas(const CheckpointIndex& index, Plan& plan) {
    using Walk = std::tuple<std::uint32_t, std::uint64_t, std::vector<std::uint64_t>>;
    const auto walk_of = [&](const Copy& copy) {
        const Shard& shard = index.tensors[copy.tensor].shards[copy.shard];
        std::vector<std::uint64_t> shape;
        for (const Dims* dims : {&copy.stride, &copy.box.origin, &copy.box.extent}) {
            shape.insert(shape.end(), dims->begin(), dims->end());
        }
        return Walk(shard.file, shard.offset + copy.first * size_of(index.tensors[copy.tensor].dtype),
                    std::move(shape));
    };
    for (PlannedTensor& tensor : plan.tensors) {
        if (tensor.replicas.empty()) continue;
        std::set<Walk> walks;
        for (const Copy& copy : tensor.copies) walks.insert(walk_of(copy));
        std::erase_if(tensor.replicas, [&](const Copy& replica) { return walks.contains(walk_of(replica)); });
    }
}

}  // namespace unshard
