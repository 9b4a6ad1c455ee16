// Puts tensors together from what each shard says about its own place: a stated origin, or placements on a device mesh.
//
// Shards with the same box are replicas: one is copied, the others must be equal. If they share a mesh, their
// placements state that they are replicas. Otherwise they are always compared: plain tensors, which every rank saved
// whole, and shards without a mesh or on different ones. The latter come e.g. from training code that cuts a weight
// itself, without a DTensor, and then lets FSDP shard each part on a mesh of its own: the shards look like replicas and
// are not.

#include "ambiguous_split.hpp"
#include "pieces.hpp"
#include "unshard/plugin.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace unshard {
namespace {

bool is_of_unknown_split(const SourceTensor& tensor) {
    const auto differs = [&](const Shard& s) {
        return is_plain(s) && s.spec->shape != tensor.shards.front().spec->shape;
    };
    return !tensor.shards.empty() && std::any_of(tensor.shards.begin(), tensor.shards.end(), differs);
}

/// Plain tensors of different shapes are parts, and nothing states of what: throws Error that lists them all.
void check_splits_known(const CheckpointIndex& index) {
    std::vector<std::string> names;
    for (const SourceTensor& tensor : index.tensors) {
        if (is_of_unknown_split(tensor)) names.push_back(tensor.name);
    }
    if (names.empty()) return;
    const auto is_stated = [](const SourceTensor& tensor) { return !std::ranges::all_of(tensor.shards, is_plain); };
    throw Error(fmt::format(
        "{}: of different shapes on different ranks, and nothing says how {} split: {}", name_list(names),
        names.size() == 1 ? "it was" : "they were",
        std::ranges::any_of(index.tensors, is_stated)
            ? "other tensors of the checkpoint say it, so no rules can: leave out with --drop what the model "
              "does not need, or save it as a DTensor"
            : "pass --merger tensor_parallel, with --rules for the model, or --merger concat"));
}

/// The sets of ranks that hold a tensor with placements: with pipeline parallelism, those of each stage.
using RankSets = std::set<std::vector<std::uint64_t>>;

std::vector<std::uint64_t> ranks_of(const SourceTensor& tensor) {
    std::set<std::uint64_t> ranks;
    for (const Shard& s : tensor.shards) ranks.insert(s.rank);
    return {ranks.begin(), ranks.end()};
}

RankSets ranks_with_placements(const CheckpointIndex& index) {
    RankSets found;
    for (const SourceTensor& tensor : index.tensors) {
        const auto has_mesh = [](const Shard& s) { return s.spec->mesh.has_value(); };
        if (!tensor.shards.empty() && std::ranges::all_of(tensor.shards, has_mesh)) found.insert(ranks_of(tensor));
    }
    return found;
}

/// Plain tensors are whole: every rank has one, or every rank of a pipeline stage.
void check_plain(const SourceTensor& tensor, std::uint64_t ranks, const RankSets& stages) {
    for (const Shard& s : tensor.shards) {
        if (!is_plain(s)) {
            throw Error(fmt::format(
                "'{}': rank {} says how it was split, rank {} does not: rank files of different runs are mixed",
                tensor.name, s.rank, tensor.shards.front().rank));
        }
    }
    const std::vector<std::uint64_t> holders = ranks_of(tensor);
    if (holders.size() == ranks || stages.contains(holders)) return;
    std::uint64_t lacking = 0;
    while (lacking < holders.size() && holders[lacking] == lacking) ++lacking;
    throw Error(fmt::format(
        "'{}': a plain tensor that rank {} of {} lacks: rank files of different runs are mixed, or one is incomplete: "
        "{}",
        tensor.name, lacking, ranks,
        stages.empty() ? "if layers are distributed over ranks, pass --merger tensor_parallel with a mesh"
                       : "to take it from the first rank that has it pass --set merge.options.plain=first"));
}

/// A piece, by the shard that holds it.
struct HeldPiece {
    std::uint32_t shard = 0;
    std::uint64_t skipped = 0;  ///< elements of the shard before it
};

/// Pieces with the same box. Where placements are Partial, pieces of the same term of the sum.
struct BoxGroup {
    Box box;
    Dims term;  ///< coordinates on the mesh dimensions that are Partial
    std::uint64_t divisor = 1;
    std::vector<HeldPiece> pieces;
};

/// A group without box or pieces, for the term of the sum that the shard's pieces go into.
BoxGroup term_of(const SourceTensor& tensor, const Shard& shard, const std::vector<Mesh>& meshes) {
    BoxGroup group;
    if (!shard.spec->mesh) return group;
    const Mesh& mesh = meshes.at(*shard.spec->mesh);
    const Dims at = coordinate_of(tensor, shard, meshes);
    for (std::size_t m = 0; m < shard.spec->placements.size(); ++m) {
        const PlacementKind kind = shard.spec->placements[m].kind;
        if (kind != PlacementKind::partial_sum && kind != PlacementKind::partial_avg) continue;
        group.term.push_back(at[m]);
        if (kind == PlacementKind::partial_avg) group.divisor = checked_mul(group.divisor, mesh.shape[m]);
    }
    return group;
}

/// Refuses placements that FSDP and distribute_tensor understand differently, when the shapes of the shards agree with
/// both.
void check_unambiguous(const SourceTensor& tensor, const std::vector<Mesh>& meshes) {
    const ShardSpec* last = nullptr;
    for (const Shard& s : tensor.shards) {
        if (!s.spec->mesh || (last && s.spec->mesh == last->mesh && s.spec->placements == last->placements)) continue;
        last = &*s.spec;
        const Dims& mesh = meshes.at(*s.spec->mesh).shape;
        for (std::uint32_t dim = 0; dim < tensor.shape->rank(); ++dim) {
            if (!is_ambiguous_split((*tensor.shape)[dim], dim, mesh, s.spec->placements)) continue;
            throw Error(
                fmt::format("'{}': dimension {} of {} is split unevenly by three dimensions of the mesh {} with "
                            "_StridedShard: FSDP and distribute_tensor give ranks different rows of it, in shards of "
                            "the same shapes: save it on a mesh that divides it",
                            tensor.name, dim, to_string(*tensor.shape), to_string(mesh)));
        }
    }
}

std::vector<BoxGroup> group_by_box(const SourceTensor& tensor, const std::vector<Mesh>& meshes) {
    std::vector<BoxGroup> groups;
    std::map<std::vector<std::uint64_t>, std::size_t> known;
    for (std::uint32_t i = 0; i < tensor.shards.size(); ++i) {
        const std::vector<Piece> pieces = pieces_of(tensor, tensor.shards[i], meshes);
        BoxGroup group = term_of(tensor, tensor.shards[i], meshes);
        for (const Piece& piece : pieces) {
            std::vector<std::uint64_t> key(piece.box.origin.begin(), piece.box.origin.end());
            key.insert(key.end(), piece.box.extent.begin(), piece.box.extent.end());
            key.insert(key.end(), group.term.begin(), group.term.end());
            group.box = piece.box;
            const auto [entry, is_new] = known.try_emplace(std::move(key), groups.size());
            if (is_new) groups.push_back(group);
            groups[entry->second].pieces.push_back({i, piece.skipped});
        }
    }
    return groups;
}

bool replicas_are_stated(const SourceTensor& tensor) {
    const auto& mesh = tensor.shards.front().spec->mesh;
    return mesh && std::ranges::all_of(tensor.shards, [&](const Shard& s) { return s.spec->mesh == mesh; });
}

/// How the copies of a plain tensor on several ranks are treated, by the option `plain`.
enum class PlainCopies { compared, first };

PlainCopies read_plain_copies(Options& options) {
    const auto text = options.take<std::string>("plain", "compare");
    if (text == "compare") return PlainCopies::compared;
    if (text == "first") return PlainCopies::first;
    throw UsageError(
        fmt::format("merger 'placement': option 'plain' is '{}': known are compare (all ranks' copies must be equal) "
                    "and first (the first rank's is taken)",
                    text));
}

/// Keeps the first rank's copy, as FULL_STATE_DICT does: buffers may differ from rank to rank.
void keep_first_copy(std::vector<BoxGroup>& groups, const SourceTensor& tensor) {
    const auto before = [&](const HeldPiece& a, const HeldPiece& b) {
        return tensor.shards[a.shard].rank < tensor.shards[b.shard].rank;
    };
    for (BoxGroup& group : groups) group.pieces = {*std::ranges::min_element(group.pieces, before)};
}

class PlacementMerger : public Merger {
public:
    Plan plan(const CheckpointIndex& index, const Request& request) override {
        Options options(request.options);
        plain_ = read_plain_copies(options);
        options.finish();
        check_splits_known(index);
        const RankSets stages = ranks_with_placements(index);
        Plan plan;
        std::vector<std::string> not_compared;
        for (std::uint32_t i = 0; i < index.tensors.size(); ++i) {
            const SourceTensor& tensor = index.tensors[i];
            if (tensor.shards.empty()) throw Error(fmt::format("'{}': has no shards", tensor.name));
            const bool plain = is_plain(tensor.shards.front());
            if (plain && plain_ == PlainCopies::compared) check_plain(tensor, index.ranks, stages);
            if (plain && plain_ == PlainCopies::first && tensor.shards.size() > 1) not_compared.push_back(tensor.name);
            plan.tensors.push_back(plan_tensor(index, i));
        }
        if (!not_compared.empty()) {
            plan.warnings.push_back(fmt::format(
                "of the copies that ranks have of {} the first rank's was taken, the others were not compared",
                name_list(not_compared)));
        }
        return plan;
    }

private:
    PlannedTensor plan_tensor(const CheckpointIndex& index, std::uint32_t number) const {
        const SourceTensor& tensor = index.tensors[number];
        const bool plain = std::ranges::all_of(tensor.shards, is_plain);
        PlannedTensor planned;
        planned.name = tensor.name;
        planned.dtype = tensor.dtype;
        planned.shape = planned.view = plain ? tensor.shards.front().spec->shape : whole_shape(tensor);
        planned.replicas_stated = replicas_are_stated(tensor);
        std::vector<BoxGroup> groups = group_by_box(tensor, index.meshes);
        check_unambiguous(tensor, index.meshes);
        if (plain && plain_ == PlainCopies::first) keep_first_copy(groups, tensor);
        for (const BoxGroup& group : groups) add_group(planned, tensor, number, group);
        return planned;
    }

    /// As stated; or, where shards state their origins only, up to the end of the last one.
    static Dims whole_shape(const SourceTensor& tensor) {
        if (tensor.shape) return *tensor.shape;
        if (const std::optional<Dims> extent = extent_of_origins(tensor)) return *extent;
        throw Error(fmt::format("'{}': the checkpoint does not state the shape of the whole tensor", tensor.name));
    }

    static void add_group(PlannedTensor& planned, const SourceTensor& tensor, std::uint32_t number,
                          const BoxGroup& group) {
        if (group.box.extent.numel() == 0) return;
        const bool partial = !group.term.empty();
        const bool is_first = planned.copies.empty();
        if (!is_first && (planned.is_sum != partial || planned.divisor != group.divisor)) {
            throw Error(fmt::format("'{}': its shards have different Partial placements", tensor.name));
        }
        planned.is_sum = partial;
        planned.divisor = group.divisor;
        for (const HeldPiece& piece : group.pieces) {
            const Shard& s = tensor.shards[piece.shard];
            const Copy copy{number, piece.shard, checked_add(s.first, piece.skipped), s.spec->stride, group.box};
            if (piece.shard == group.pieces.front().shard) {
                planned.copies.push_back(copy);
            } else if (!partial) {
                planned.replicas.push_back(copy);
            }
        }
    }

    PlainCopies plain_ = PlainCopies::compared;
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::PlacementMerger, "placement", UNSHARD_VERSION,
               "by the placements or origins that the checkpoint states")
