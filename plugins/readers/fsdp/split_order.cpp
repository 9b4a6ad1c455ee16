// FSDP2 over tensor parallelism gives a rank its chunk of the rows that tensor parallelism left to it. PyTorch 2.5 and
// later write that as (_StridedShard, Shard). PyTorch 2.3 wrote (Shard, Shard), which everywhere else, FSDP1 of the
// same release included, means that FSDP split first (pytorch#129229). 2.4 refuses to save it. E.g. with 8 rows on a
// mesh (2, 2), rank (0, 1) holds rows 2 and 3 if FSDP split first, and rows 4 and 5 if tensor parallelism did. Where
// the rows do not divide evenly, the two orders mostly give ranks different numbers of rows, which the shapes show.

#include "split_order.hpp"

#include "unshard/tools/checked.hpp"
#include "unshard/tools/chunk.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace unshard::fsdp {
namespace {

using torch::SplitOrder;

using MeshDims = std::vector<std::size_t>;

/// The mesh dimensions that split tensor dimension `dim`, from left to right.
MeshDims splitting(const ShardSpec& spec, const Mesh& mesh, std::uint32_t dim) {
    MeshDims found;
    for (std::size_t m = 0; m < spec.placements.size(); ++m) {
        const Placement& p = spec.placements[m];
        if (p.kind == PlacementKind::shard && p.dim == dim && mesh.shape[m] > 1) found.push_back(m);
    }
    return found;
}

/// The coordinates of ranks in the meshes, computed once for each mesh.
class Coordinates {
public:
    explicit Coordinates(const std::vector<Mesh>& meshes) : meshes_(meshes), positions_(meshes.size()) {}

    std::uint64_t at(const Shard& shard, std::size_t mesh_dim) {
        const Mesh& mesh = meshes_[*shard.spec->mesh];
        std::vector<std::uint64_t>& positions = positions_[*shard.spec->mesh];
        if (positions.empty()) positions = positions_of(mesh);
        std::uint64_t position = shard.rank < positions.size() ? positions[shard.rank] : 0;
        for (std::size_t m = mesh.shape.rank(); m-- > mesh_dim + 1;) position /= mesh.shape[m];
        return position % mesh.shape[mesh_dim];
    }

private:
    static std::vector<std::uint64_t> positions_of(const Mesh& mesh) {
        std::vector<std::uint64_t> positions(*std::ranges::max_element(mesh.ranks) + 1);
        for (std::size_t i = 0; i < mesh.ranks.size(); ++i) positions[mesh.ranks[i]] = i;
        return positions;
    }

    const std::vector<Mesh>& meshes_;
    std::vector<std::vector<std::uint64_t>> positions_;
};

/// Which of the two orders all shards' shapes agree with.
struct PossibleOrders {
    bool left_to_right = true;
    bool inner_first = true;
    std::string tensor;  ///< one that is split twice; empty when there is none
    std::uint32_t dim = 0;
};

void check_shard(PossibleOrders& orders, const SourceTensor& tensor, const Shard& shard, std::uint32_t dim,
                 const MeshDims& order, const std::vector<Mesh>& meshes, Coordinates& coordinates) {
    const Mesh& mesh = meshes[*shard.spec->mesh];
    const auto rows_in = [&](const auto& mesh_dims) {
        Range rows{0, (*tensor.shape)[dim]};
        for (const std::size_t m : mesh_dims) rows = chunk_of(rows, mesh.shape[m], coordinates.at(shard, m));
        return rows.size();
    };
    MeshDims inner_first(order.begin() + 1, order.end());
    inner_first.push_back(order.front());
    const bool is_empty = shard.spec->shape.numel() == 0;
    const auto fits = [&](std::uint64_t rows) { return rows == shard.spec->shape[dim] || (is_empty && rows == 0); };
    orders.left_to_right = orders.left_to_right && fits(rows_in(order));
    orders.inner_first = orders.inner_first && fits(rows_in(inner_first));
    if (orders.tensor.empty()) {
        orders.tensor = tensor.name;
        orders.dim = dim;
    }
}

PossibleOrders possible_orders(const CheckpointIndex& index) {
    PossibleOrders orders;
    Coordinates coordinates(index.meshes);
    for (const SourceTensor& tensor : index.tensors) {
        for (const Shard& shard : tensor.shards) {
            if (!shard.spec->mesh) continue;
            for (std::uint32_t dim = 0; dim < tensor.shape->rank(); ++dim) {
                const MeshDims order = splitting(*shard.spec, index.meshes[*shard.spec->mesh], dim);
                if (order.size() > 1) check_shard(orders, tensor, shard, dim, order, index.meshes, coordinates);
            }
        }
    }
    return orders;
}

/// The spec, with a _StridedShard that states that the first mesh dimension splits last.
ShardSpec inner_first(ShardSpec spec, const Mesh& mesh) {
    for (std::uint32_t dim = 0; dim < spec.shape.rank(); ++dim) {
        const MeshDims order = splitting(spec, mesh, dim);
        if (order.size() < 2) continue;
        Placement& first = spec.placements[order.front()];
        first.kind = PlacementKind::strided_shard;
        for (std::size_t i = 1; i < order.size(); ++i) {
            first.split_factor = checked_mul(first.split_factor, mesh.shape[order[i]]);
        }
    }
    return spec;
}

void set_inner_first(CheckpointIndex& index) {
    SharedPool<ShardSpec> specs;
    for (SourceTensor& tensor : index.tensors) {
        for (Shard& shard : tensor.shards) {
            if (shard.spec->mesh) shard.spec = specs(inner_first(*shard.spec, index.meshes[*shard.spec->mesh]));
        }
    }
}

}  // namespace

void settle_split_order(CheckpointIndex& index, std::optional<SplitOrder> stated) {
    const PossibleOrders orders = possible_orders(index);
    if (orders.tensor.empty()) return;
    if (!stated && orders.left_to_right && orders.inner_first) {
        torch::refuse_unknown_order(orders.tensor, orders.dim);
    }
    const bool only_inner_fits = orders.inner_first && !orders.left_to_right;
    if (stated ? *stated == SplitOrder::inner_first : only_inner_fits) set_inner_first(index);
}

}  // namespace unshard::fsdp
