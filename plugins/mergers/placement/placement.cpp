// Puts tensors together from what each shard says about its own place: a stated origin, or placements on a device mesh.
//
// A shard's box follows from its placements (torch.distributed.tensor, checked bit for bit against torch 2.13): every
// mesh dimension that shards a tensor dimension replaces the rank's range of it by the rank's chunk of that range, by
// the torch.chunk rule: chunks of ceil(n / k), the last one shorter, further ones empty. Mesh dimensions go left to
// right, but a _StridedShard waits until all later mesh dimensions that shard the same tensor dimension have been
// applied. A chunk of a contiguous range is contiguous, so the result is always one box.
//
// Shards with the same box are replicas: one is copied, the others must be equal. Only a mesh that they share states
// that they are. Plain tensors, which every rank saved whole, and shards on several meshes or none (FSDP inside each
// part of a model that was split by hand looks like this) are always compared.

#include "readings.hpp"
#include "unshard/name_list.hpp"
#include "unshard/plugin.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace unshard {
namespace {

struct Range {
    std::uint64_t begin = 0;
    std::uint64_t size = 0;
};

/// The `part`-th of `parts` chunks of a range, by the torch.chunk rule.
Range chunk(Range range, std::uint64_t parts, std::uint64_t part) {
    const std::uint64_t each = range.size / parts + (range.size % parts != 0);
    const std::uint64_t skipped = part != 0 && each > range.size / part ? range.size : each * part;
    return {range.begin + skipped, std::min(each, range.size - skipped)};
}

/// Where a rank stands in a mesh, one coordinate for each mesh dimension.
Dims coordinate_of(const Mesh& mesh, std::uint32_t rank, const std::string& tensor) {
    const auto found = std::find(mesh.ranks.begin(), mesh.ranks.end(), rank);
    if (found == mesh.ranks.end()) {
        throw Error("'" + tensor + "': rank " + std::to_string(rank) + " saved a piece on a mesh " +
                    to_string(mesh.shape) + " that it is not part of: rank files of different runs are mixed");
    }
    auto position = static_cast<std::uint64_t>(found - mesh.ranks.begin());
    Dims coordinate = Dims::filled(mesh.shape.rank(), 0);
    for (std::size_t i = mesh.shape.rank(); i-- > 0;) {
        coordinate[i] = position % mesh.shape[i];
        position /= mesh.shape[i];
    }
    return coordinate;
}

bool splits(const Placement& p, std::uint32_t dim) {
    return (p.kind == PlacementKind::shard || p.kind == PlacementKind::strided_shard) && p.dim == dim;
}

/// The mesh dimensions that split tensor dimension `dim`, in the order in which they are applied.
std::vector<std::size_t> split_order(const std::vector<Placement>& placements, std::uint32_t dim) {
    std::vector<std::size_t> order, waiting;
    for (std::size_t m = 0; m < placements.size(); ++m) {
        if (!splits(placements[m], dim)) continue;
        (placements[m].kind == PlacementKind::shard ? order : waiting).push_back(m);
    }
    order.insert(order.end(), waiting.rbegin(), waiting.rend());
    return order;
}

/// A _StridedShard's split factor is the number of parts that later mesh dimensions make of the same tensor dimension;
/// anything else is a layout that the rule above does not describe.
void check_split_factors(const Mesh& mesh, const std::vector<Placement>& placements, const std::string& tensor) {
    for (std::size_t m = 0; m < placements.size(); ++m) {
        if (placements[m].kind != PlacementKind::strided_shard) continue;
        std::uint64_t parts = 1;
        for (std::size_t later = m + 1; later < placements.size(); ++later) {
            if (splits(placements[later], placements[m].dim)) parts = checked_mul(parts, mesh.shape[later]);
        }
        if (parts == placements[m].split_factor) continue;
        throw Error("'" + tensor + "': _StridedShard has split factor " + std::to_string(placements[m].split_factor) +
                    ", the mesh dimensions behind it make " + std::to_string(parts) +
                    " parts: this layout is not supported");
    }
}

Box box_by_placements(const SourceTensor& tensor, const Shard& shard, const Mesh& mesh) {
    if (!tensor.shape) throw Error("'" + tensor.name + "': has placements but no global shape");
    check_split_factors(mesh, shard.placements, tensor.name);
    const Dims at = coordinate_of(mesh, shard.rank, tensor.name);
    Box box = Box::whole(*tensor.shape);
    for (std::uint32_t dim = 0; dim < tensor.shape->rank(); ++dim) {
        Range range{0, (*tensor.shape)[dim]};
        for (const std::size_t m : split_order(shard.placements, dim)) range = chunk(range, mesh.shape[m], at[m]);
        box.origin[dim] = range.begin;
        box.extent[dim] = range.size;
    }
    return box;
}

bool is_of_unknown_split(const SourceTensor& tensor) {
    const auto differs = [&](const Shard& s) { return is_plain(s) && s.shape != tensor.shards.front().shape; };
    return !tensor.shards.empty() && std::any_of(tensor.shards.begin(), tensor.shards.end(), differs);
}

/// Plain tensors of different shapes are parts, and nothing says of what: an error that lists them all.
void check_splits_known(const CheckpointIndex& index) {
    std::vector<std::string> names;
    for (const SourceTensor& tensor : index.tensors) {
        if (is_of_unknown_split(tensor)) names.push_back(tensor.name);
    }
    if (names.empty()) return;
    throw Error(name_list(names) + ": of different shapes on different ranks, and nothing says how " +
                (names.size() == 1 ? "it was" : "they were") +
                " split: pass --merger tensor_parallel, with --rules for the model, or --merger concat");
}

/// Plain tensors are whole: every rank has one.
void check_plain(const SourceTensor& tensor, std::uint64_t ranks) {
    for (const Shard& s : tensor.shards) {
        if (!is_plain(s)) {
            throw Error("'" + tensor.name + "': rank " + std::to_string(s.rank) + " says how it was split, rank " +
                        std::to_string(tensor.shards.front().rank) +
                        " does not: rank files of different runs are mixed");
        }
    }
    std::set<std::uint64_t> holders;
    for (const Shard& s : tensor.shards) holders.insert(s.rank);
    for (std::uint64_t rank = 0; rank < ranks; ++rank) {
        if (holders.contains(rank)) continue;
        throw Error("'" + tensor.name + "': a plain tensor that rank " + std::to_string(rank) + " of " +
                    std::to_string(ranks) + " lacks: rank files of different runs are mixed, or one is incomplete " +
                    "(or layers are dealt out over ranks: pass --merger tensor_parallel with a mesh)");
    }
}

Box box_of(const SourceTensor& tensor, const Shard& shard, const std::vector<Mesh>& meshes) {
    if (shard.origin) return {*shard.origin, shard.shape};
    if (!shard.mesh) return Box::whole(shard.shape);
    const Mesh& mesh = meshes.at(*shard.mesh);
    const Box box = box_by_placements(tensor, shard, mesh);
    // Of nothing PyTorch keeps any shape: FSDP makes (0, 0) of the (1, 0) that tensor parallelism leaves it.
    const bool is_empty = box.extent.numel() == 0 && shard.shape.numel() == 0;
    if (box.extent == shard.shape || is_empty) return box;
    throw Error("'" + tensor.name + "': rank " + std::to_string(shard.rank) + " holds " + to_string(shard.shape) +
                ", its placements on the mesh " + to_string(mesh.shape) + " give " + to_string(box.extent) + " of " +
                to_string(*tensor.shape) + ": the file is damaged, or of a PyTorch version that split otherwise");
}

/// Shards of a tensor that hold the same box, and, where placements are Partial, the same term of its sum.
struct Place {
    Box box;
    Dims term;  ///< coordinates on the mesh dimensions that are Partial
    double factor = 1;
    std::vector<std::uint32_t> shards;
};

Place place_of(const SourceTensor& tensor, const Shard& shard, const std::vector<Mesh>& meshes) {
    Place place{box_of(tensor, shard, meshes), {}, 1, {}};
    if (!shard.mesh) return place;
    const Mesh& mesh = meshes.at(*shard.mesh);
    const Dims at = coordinate_of(mesh, shard.rank, tensor.name);
    for (std::size_t m = 0; m < shard.placements.size(); ++m) {
        const PlacementKind kind = shard.placements[m].kind;
        if (kind != PlacementKind::partial_sum && kind != PlacementKind::partial_avg) continue;
        place.term.push_back(at[m]);
        if (kind == PlacementKind::partial_avg) place.factor /= static_cast<double>(mesh.shape[m]);
    }
    return place;
}

/// Refuses placements of which the shards' shapes, which agree with them, do not tell the meaning.
void check_one_reading(const SourceTensor& tensor, const std::vector<Mesh>& meshes) {
    const Shard* last = nullptr;
    for (const Shard& s : tensor.shards) {
        if (!s.mesh || (last && s.mesh == last->mesh && s.placements == last->placements)) continue;
        last = &s;
        const Dims& mesh = meshes.at(*s.mesh).shape;
        for (std::uint32_t dim = 0; dim < tensor.shape->rank(); ++dim) {
            if (!has_two_readings((*tensor.shape)[dim], dim, mesh, s.placements)) continue;
            throw Error("'" + tensor.name + "': dimension " + std::to_string(dim) + " of " + to_string(*tensor.shape) +
                        " is split unevenly by three dimensions of the mesh " + to_string(mesh) +
                        " with _StridedShard: FSDP and distribute_tensor give ranks different rows of it, in shards " +
                        "of the same shapes: save it on a mesh that divides it");
        }
    }
}

std::vector<Place> places_of(const SourceTensor& tensor, const std::vector<Mesh>& meshes) {
    std::vector<Place> places;
    std::map<std::vector<std::uint64_t>, std::size_t> known;
    for (std::uint32_t i = 0; i < tensor.shards.size(); ++i) {
        Place place = place_of(tensor, tensor.shards[i], meshes);
        std::vector<std::uint64_t> key(place.box.origin.begin(), place.box.origin.end());
        key.insert(key.end(), place.box.extent.begin(), place.box.extent.end());
        key.insert(key.end(), place.term.begin(), place.term.end());
        const auto [entry, is_new] = known.try_emplace(std::move(key), places.size());
        if (is_new) places.push_back(std::move(place));
        places[entry->second].shards.push_back(i);
    }
    return places;
}

bool replicas_are_stated(const SourceTensor& tensor) {
    const auto& mesh = tensor.shards.front().mesh;
    return mesh && std::ranges::all_of(tensor.shards, [&](const Shard& s) { return s.mesh == mesh; });
}

class PlacementMerger : public Merger {
public:
    Plan plan(const CheckpointIndex& index, const Request& request) override {
        Options(request.options).finish();
        check_splits_known(index);
        Plan plan;
        for (std::uint32_t i = 0; i < index.tensors.size(); ++i) plan.tensors.push_back(plan_tensor(index, i));
        return plan;
    }

private:
    static PlannedTensor plan_tensor(const CheckpointIndex& index, std::uint32_t number) {
        const SourceTensor& tensor = index.tensors[number];
        if (tensor.shards.empty()) throw Error("'" + tensor.name + "': has no shards");
        const bool plain = is_plain(tensor.shards.front());
        if (plain) check_plain(tensor, index.ranks);
        PlannedTensor planned;
        planned.name = tensor.name;
        planned.dtype = tensor.dtype;
        planned.shape = planned.view = plain ? tensor.shards.front().shape : whole_shape(tensor);
        planned.replicas_stated = replicas_are_stated(tensor);
        const std::vector<Place> places = places_of(tensor, index.meshes);
        check_one_reading(tensor, index.meshes);
        for (const Place& place : places) add_place(planned, tensor, number, place);
        return planned;
    }

    static Dims whole_shape(const SourceTensor& tensor) {
        if (tensor.shape) return *tensor.shape;
        throw Error("'" + tensor.name + "': the checkpoint does not state the shape of the whole tensor");
    }

    static void add_place(PlannedTensor& planned, const SourceTensor& tensor, std::uint32_t number,
                          const Place& place) {
        if (place.box.extent.numel() == 0) return;
        const bool partial = !place.term.empty();
        for (const std::uint32_t i : place.shards) {
            const Shard& s = tensor.shards[i];
            const Copy copy{number,      i, s.first, s.stride, place.box, partial ? CopyMode::add : CopyMode::set,
                            place.factor};
            if (i == place.shards.front()) {
                planned.copies.push_back(copy);
            } else if (!partial) {
                planned.replicas.push_back(copy);
            }
        }
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::PlacementMerger, "placement", UNSHARD_VERSION,
               "by the placements or origins that the checkpoint states")
