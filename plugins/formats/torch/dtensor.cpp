// torch.distributed.tensor.DTensor is pickled as
//     _rebuild_from_type_v2(_rebuild_wrapper_subclass, DTensor,
//                           (DTensor, dtype, size, stride, first, layout, device, requires_grad),
//                           {"_local_tensor": tensor, "_spec": DTensorSpec})
// where size is that of the whole tensor, and the spec holds mesh, placements (one for each mesh dimension),
// tensor_meta (the whole shape again) and, since 2.9 or so, shard_order: for each tensor dimension that is split, the
// mesh dimensions that split it, in the order in which they were applied.
//
// The order is left to right unless shard_order says otherwise; PyTorch writes another order either as _StridedShard
// placements or, with plain Shards, in shard_order alone. The second is turned into the first here, by the rule of
// DTensorSpec._convert_shard_order_to_StridedShard.
//
// HSDP by fully_shard of 2.3 has a placement for the last mesh dimension alone; along the others the model is
// replicated. Such a tensor gets the submesh of the last dimension: replicas on different meshes are compared.
//
// torch.distributed._shard.sharded_tensor.ShardedTensor (FSDP1 without a device mesh) has the same call around it. Its
// state is a tuple whose first item lists this rank's shards, each a tensor with metadata: shard_offsets, shard_sizes.

#include "formats/torch/dtensor.hpp"

#include "unshard/tools/checked.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace unshard::torch {
namespace {

/// A tensor dimension; negative ones count from the back.
std::uint32_t read_dim(const Values& values, Ref ref, std::size_t rank) {
    const auto* dim = values.get_if<std::int64_t>(ref);
    if (dim == nullptr) throw Error(fmt::format("a placement's dimension is {}, not an integer", values.describe(ref)));
    const auto count = static_cast<std::int64_t>(rank);
    if (*dim < -count || *dim >= count) {
        throw Error(fmt::format("a placement splits dimension {} of a tensor with {}", *dim, rank));
    }
    return static_cast<std::uint32_t>(*dim < 0 ? *dim + count : *dim);
}

Placement read_partial(const Values& values, Ref ref) {
    const Ref operation = values.required(ref, "reduce_op");
    const std::string name =
        values.get_if<Text>(operation) == nullptr ? values.describe(operation) : values.text(operation, "reduce_op");
    if (name == "sum") return {.kind = PlacementKind::partial_sum};
    if (name == "avg") return {.kind = PlacementKind::partial_avg};
    throw Error(fmt::format("it is Partial({}): only sum and avg are supported", name));
}

Placement read_placement(const Values& values, Ref ref, std::size_t rank) {
    switch (values.get_if<Made>(ref) == nullptr ? Symbol::other : values.symbol(ref)) {
        case Symbol::replicate:
            return {};
        case Symbol::partial:
            return read_partial(values, ref);
        case Symbol::shard:
            return {.kind = PlacementKind::shard, .dim = read_dim(values, values.required(ref, "dim"), rank)};
        case Symbol::strided_shard:
            return {.kind = PlacementKind::strided_shard,
                    .dim = read_dim(values, values.required(ref, "dim"), rank),
                    .split_factor = values.count(values.required(ref, "split_factor"), "a split factor")};
        default:
            throw Error(fmt::format("its placement is {}, which is not known", values.describe(ref)));
    }
}

/// The mesh dimensions of one entry of shard_order, checked against the placements that they order.
std::vector<std::size_t> read_order(const Values& values, Ref entry, const std::vector<Placement>& placements) {
    if (!values.is_made_by(entry, Symbol::shard_order_entry)) {
        throw Error("its shard_order holds " + values.describe(entry));
    }
    const std::span<const Ref> fields = values.args(entry);
    const std::uint64_t dim = values.count(fields[0], "shard_order");
    std::vector<std::size_t> order;
    for (const Ref mesh_dim : values.sequence(fields[1], "shard_order")) {
        const std::uint64_t m = values.count(mesh_dim, "shard_order");
        if (m >= placements.size() || placements[m].kind != PlacementKind::shard || placements[m].dim != dim ||
            std::ranges::find(order, m) != order.end()) {
            throw Error("its shard_order contradicts its placements");
        }
        order.push_back(m);
    }
    return order;
}

void apply_shard_order(const Values& values, Ref spec, const Dims& mesh, std::vector<Placement>& placements) {
    const std::optional<Ref> shard_order = values.attribute(spec, "shard_order");
    const bool strided =
        std::ranges::find(placements, PlacementKind::strided_shard, &Placement::kind) != placements.end();
    if (!shard_order || *shard_order == kNone || strided) return;
    std::vector<Placement> ordered = placements;
    const std::span<const Ref> entries = values.sequence(*shard_order, "shard_order");
    if (entries.size() > placements.size())
        throw Error("its shard_order has more entries than the mesh has dimensions");
    for (const Ref entry : entries) {
        const std::vector<std::size_t> order = read_order(values, entry, placements);
        for (std::size_t i = 0; i < order.size(); ++i) {
            std::uint64_t factor = 1;
            for (std::size_t before = 0; before < i; ++before) {
                if (order[before] > order[i]) factor = checked_mul(factor, mesh[order[before]]);
            }
            if (factor == 1) continue;
            ordered[order[i]].kind = PlacementKind::strided_shard;
            ordered[order[i]].split_factor = factor;
        }
    }
    placements = std::move(ordered);
}

std::vector<Placement> read_placements(const Values& values, Ref spec, const Mesh& mesh, std::size_t rank) {
    std::vector<Placement> placements;
    const std::span<const Ref> items = values.sequence(values.required(spec, "placements"), "its placements");
    if (items.size() != mesh.shape.rank()) {
        throw Error(fmt::format("it has {} {} on a mesh {}, not one for each mesh dimension: the file is damaged",
                                items.size(), items.size() == 1 ? "placement" : "placements", to_string(mesh.shape)));
    }
    for (const Ref item : items) placements.push_back(read_placement(values, item, rank));
    apply_shard_order(values, spec, mesh.shape, placements);
    return placements;
}

/// The mesh that the placements are for: all of it, but for HSDP of PyTorch 2.3.
std::uint32_t mesh_of_placements(const Values& values, Ref spec, bool is_old, MeshReader& meshes) {
    const std::uint32_t number = meshes.read(values.required(spec, "mesh"));
    const std::size_t placements = values.sequence(values.required(spec, "placements"), "its placements").size();
    const bool is_part = is_old && placements != 0 && placements < meshes.meshes()[number].shape.rank();
    return is_part ? meshes.last_dims(number, placements) : number;
}

/// Dtype and shape of the whole tensor.
struct Whole {
    DType dtype;
    Dims shape;
};

std::string to_string(const Whole& whole) {
    return fmt::format("{} {}", to_string(whole.dtype), to_string(whole.shape));
}

/// The spec repeats dtype and shape; they must agree.
void check_tensor_meta(const Values& values, Ref spec, const Whole& whole) {
    const std::optional<Ref> meta = values.attribute(spec, "tensor_meta");
    if (!meta || *meta == kNone) return;
    const bool is_of_fx = values.is_made_by(*meta, Symbol::tensor_meta_of_fx);
    if (!is_of_fx && !values.is_made_by(*meta, Symbol::tensor_meta)) {
        throw Error("its tensor_meta is " + values.describe(*meta));
    }
    const std::span<const Ref> fields = values.args(*meta);
    const Whole stated{read_dtype(values, fields[is_of_fx ? 1 : 2]), values.dims(fields[0], "a shape")};
    if (stated.dtype == whole.dtype && stated.shape == whole.shape) return;
    throw Error(fmt::format("as a whole it is {}, its tensor_meta says {}", to_string(whole), to_string(stated)));
}

Ref required_in(const Values& values, const Rebuild& rebuild, std::string_view name) {
    if (const std::optional<Ref> found = values.in_state(rebuild.state, name)) return *found;
    throw Error(fmt::format("it has no '{}': it is of a PyTorch release that is not known yet", name));
}

/// Dtype and shape are arguments of _rebuild_wrapper_subclass.
Whole whole_of(const Values& values, const Rebuild& rebuild) {
    if (rebuild.function != Symbol::rebuild_wrapper) throw Error("it is rebuilt in a way that is not known");
    return {read_dtype(values, rebuild.args[1]), values.dims(rebuild.args[2], "a shape")};
}

void check_local(const Whole& whole, const StridedTensor& local) {
    if (local.dtype != whole.dtype) {
        throw Error(
            fmt::format("its dtype is {}, its local tensor's {}", to_string(whole.dtype), to_string(local.dtype)));
    }
    if (local.spec.shape.rank() != whole.shape.rank()) {
        throw Error(
            fmt::format("its shape is {}, its local tensor's {}", to_string(whole.shape), to_string(local.spec.shape)));
    }
}

/// A DTensor's parts: its dtype and shape, its DTensorSpec, and what this rank has of it.
struct DTensorParts {
    Whole whole;
    Ref spec = kNone;
    StridedTensor local;
};

DTensorParts parts_of(const SavedFile& file, const Rebuild& rebuild) {
    const Values& values = file.values();
    const Whole whole = whole_of(values, rebuild);
    StridedTensor local = read_strided(file, required_in(values, rebuild, "_local_tensor"));
    const Ref spec = required_in(values, rebuild, "_spec");
    if (!values.is_made_by(spec, Symbol::dtensor_spec)) throw Error("its _spec is " + values.describe(spec));
    check_tensor_meta(values, spec, whole);
    return {whole, spec, std::move(local)};
}

/// Replicated on all ranks, or split among ranks of which this one has everything.
SourceTensor read_whole_dtensor(const SavedFile& file, const Rebuild& rebuild) {
    const Values& values = file.values();
    auto [whole, spec, local] = parts_of(file, rebuild);
    for (const Ref placement : values.sequence(values.required(spec, "placements"), "its placements")) {
        const PlacementKind kind = read_placement(values, placement, whole.shape.rank()).kind;
        if (kind != PlacementKind::partial_sum && kind != PlacementKind::partial_avg) continue;
        throw Error("it is one rank's summand of a sum over ranks: save the model's full state dict");
    }
    check_local(whole, local);
    return {.name = {}, .dtype = whole.dtype, .shape = whole.shape, .shards = {complete(std::move(local))}};
}

/// The state of a ShardedTensor: (local shards, metadata, ProcessGroupState, sharding spec, init_rrefs). The third has
/// the rank and the world size of the run.
struct ShardedState {
    Ref local_shards, metadata, group;
};

ShardedState sharded_state(const Values& values, const Rebuild& rebuild) {
    const auto* state = values.get_if<Tuple>(rebuild.state);
    if (state == nullptr || state->items.size() != 5 ||
        !values.is_made_by(state->items[1], Symbol::sharded_tensor_metadata)) {
        throw Error("its state is not that of a ShardedTensor of a PyTorch release that is known");
    }
    return {state->items[0], state->items[1], state->items[2]};
}

Shard read_local_shard(const SavedFile& file, Ref ref, const Whole& whole) {
    const Values& values = file.values();
    if (!values.is_made_by(ref, Symbol::local_shard)) throw Error("its local shard is " + values.describe(ref));
    const Ref metadata = values.required(ref, "metadata");
    StridedTensor local = read_strided(file, values.required(ref, "tensor"));
    check_local(whole, local);
    const Dims sizes = values.dims(values.required(metadata, "shard_sizes"), "the sizes of a shard");
    if (sizes != local.spec.shape) {
        throw Error(
            fmt::format("its shard is {}, its metadata says {}", to_string(local.spec.shape), to_string(sizes)));
    }
    local.spec.origin = values.dims(values.required(metadata, "shard_offsets"), "the offsets of a shard");
    return complete(std::move(local));
}

}  // namespace

SourceTensor read_plain(const SavedFile& file, const Rebuild& rebuild) {
    StridedTensor tensor = read_strided(file, rebuild);
    return {.name = {}, .dtype = tensor.dtype, .shape = std::nullopt, .shards = {complete(std::move(tensor))}};
}

SourceTensor read_dtensor(const SavedFile& file, const Rebuild& rebuild, MeshReader& meshes) {
    const Values& values = file.values();
    auto [whole, spec, local] = parts_of(file, rebuild);
    SourceTensor tensor{.name = {}, .dtype = whole.dtype, .shape = whole.shape, .shards = {}};
    const std::uint32_t number = mesh_of_placements(values, spec, is_before_strided_shards(file, rebuild), meshes);
    const Mesh& mesh = meshes.meshes()[number];
    local.spec.mesh = number;
    local.spec.placements = read_placements(values, spec, mesh, whole.shape.rank());
    const bool in_mesh = std::ranges::find(mesh.ranks, meshes.rank()) != mesh.ranks.end();
    if (!in_mesh && local.spec.shape.numel() == 0) return tensor;  // PyTorch saves an empty tensor on such a rank
    check_local(whole, local);
    tensor.shards.push_back(complete(std::move(local)));
    return tensor;
}

SourceTensor read_whole(const SavedFile& file, const Rebuild& rebuild) {
    SourceTensor tensor = rebuild.type == Symbol::dtensor          ? read_whole_dtensor(file, rebuild)
                          : rebuild.type == Symbol::sharded_tensor ? read_sharded_tensor(file, rebuild)
                                                                   : read_plain(file, rebuild);
    if (!tensor.shape) tensor.shape = tensor.shards.front().spec->shape;
    if (tensor.shards.size() != 1 || tensor.shards.front().spec->shape != tensor.shape) {
        const std::string part =
            tensor.shards.size() == 1 ? to_string(tensor.shards.front().spec->shape) + " of it" : "parts of it";
        throw Error(
            fmt::format("it is {} as a whole and the file has {}, as one rank of several saves it: name the directory "
                        "with the files of all ranks, called model_world_size_W_rank_R.pt",
                        to_string(*tensor.shape), part));
    }
    ShardSpec spec = *tensor.shards.front().spec;
    spec.origin = Dims::filled(spec.shape.rank(), 0);
    tensor.shards.front().spec = std::move(spec);
    return tensor;
}

bool is_before_strided_shards(const SavedFile& file, const Rebuild& dtensor) {
    const auto [module, name] = file.values().global(nth(dtensor.args, 0, "a wrapper"));
    return module.starts_with("torch.distributed._tensor");
}

SourceTensor read_sharded_tensor(const SavedFile& file, const Rebuild& rebuild) {
    const Values& values = file.values();
    const Whole whole = whole_of(values, rebuild);
    SourceTensor tensor{.name = {}, .dtype = whole.dtype, .shape = whole.shape, .shards = {}};
    const ShardedState state = sharded_state(values, rebuild);
    if (values.dims(values.required(state.metadata, "size"), "a shape") != whole.shape) {
        throw Error(fmt::format("its whole shape is {}, its metadata says another", to_string(whole.shape)));
    }
    for (const Ref ref : values.sequence(state.local_shards, "its local shards")) {
        tensor.shards.push_back(read_local_shard(file, ref, whole));
    }
    return tensor;
}

std::optional<Saver> saver_of(const SavedFile& file, const Rebuild& sharded_tensor) {
    const Values& values = file.values();
    const Ref group = sharded_state(values, sharded_tensor).group;
    if (!values.is_made_by(group, Symbol::process_group_state)) return std::nullopt;
    return Saver{values.count(values.required(group, "global_rank"), "the rank of a ShardedTensor"),
                 values.count(values.required(group, "global_world_size"), "the world size of a ShardedTensor")};
}

}  // namespace unshard::torch
