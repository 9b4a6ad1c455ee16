// Puts tensors together from what each shard says about its own place: a stated origin, or placements on a device mesh.
//
// Shards with the same box are replicas: one is copied, the others must be equal. Only a mesh that they share states
// that they are. Plain tensors, which every rank saved whole, and shards on several meshes or none (FSDP inside each
// part of a model that was split by hand looks like this) are always compared.

#include "pieces.hpp"
#include "readings.hpp"
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
    const auto is_stated = [](const SourceTensor& tensor) { return !std::ranges::all_of(tensor.shards, is_plain); };
    throw Error(fmt::format(
        "{}: of different shapes on different ranks, and nothing says how {} split: {}", name_list(names),
        names.size() == 1 ? "it was" : "they were",
        std::ranges::any_of(index.tensors, is_stated)
            ? "other tensors of the checkpoint say it, so no rules can: leave out with --drop what the model "
              "does not need, or save it as a DTensor"
            : "pass --merger tensor_parallel, with --rules for the model, or --merger concat"));
}

/// Which ranks hold tensors that say how they were split: where layers are dealt out over ranks, those of each stage.
using Holders = std::set<std::vector<std::uint64_t>>;

std::vector<std::uint64_t> ranks_of(const SourceTensor& tensor) {
    std::set<std::uint64_t> ranks;
    for (const Shard& s : tensor.shards) ranks.insert(s.rank);
    return {ranks.begin(), ranks.end()};
}

Holders holders_of(const CheckpointIndex& index) {
    Holders holders;
    for (const SourceTensor& tensor : index.tensors) {
        const auto has_mesh = [](const Shard& s) { return s.mesh.has_value(); };
        if (!tensor.shards.empty() && std::ranges::all_of(tensor.shards, has_mesh)) holders.insert(ranks_of(tensor));
    }
    return holders;
}

/// Plain tensors are whole: every rank has one, or every rank of a pipeline stage.
void check_plain(const SourceTensor& tensor, std::uint64_t ranks, const Holders& stages) {
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
        stages.empty() ? "if layers are dealt out over ranks, pass --merger tensor_parallel with a mesh"
                       : "to take it from the first rank that has it pass --set merge.options.plain=first"));
}

/// A piece of a shard.
struct Holder {
    std::uint32_t shard = 0;
    std::uint64_t skipped = 0;  ///< elements from the shard's first one
};

/// Pieces of shards that hold the same box, and, where placements are Partial, the same term of its sum.
struct Place {
    Box box;
    Dims term;  ///< coordinates on the mesh dimensions that are Partial
    double factor = 1;
    std::vector<Holder> holders;
};

/// The term of a sum that a shard is; its pieces go into it.
Place term_of(const SourceTensor& tensor, const Shard& shard, const std::vector<Mesh>& meshes) {
    Place place;
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
            throw Error(
                fmt::format("'{}': dimension {} of {} is split unevenly by three dimensions of the mesh {} with "
                            "_StridedShard: FSDP and distribute_tensor give ranks different rows of it, in shards of "
                            "the same shapes: save it on a mesh that divides it",
                            tensor.name, dim, to_string(*tensor.shape), to_string(mesh)));
        }
    }
}

std::vector<Place> places_of(const SourceTensor& tensor, const std::vector<Mesh>& meshes) {
    std::vector<Place> places;
    std::map<std::vector<std::uint64_t>, std::size_t> known;
    for (std::uint32_t i = 0; i < tensor.shards.size(); ++i) {
        const std::vector<Piece> pieces = pieces_of(tensor, tensor.shards[i], meshes);
        Place place = term_of(tensor, tensor.shards[i], meshes);
        for (const Piece& piece : pieces) {
            std::vector<std::uint64_t> key(piece.box.origin.begin(), piece.box.origin.end());
            key.insert(key.end(), piece.box.extent.begin(), piece.box.extent.end());
            key.insert(key.end(), place.term.begin(), place.term.end());
            place.box = piece.box;
            const auto [entry, is_new] = known.try_emplace(std::move(key), places.size());
            if (is_new) places.push_back(place);
            places[entry->second].holders.push_back({i, piece.skipped});
        }
    }
    return places;
}

bool replicas_are_stated(const SourceTensor& tensor) {
    const auto& mesh = tensor.shards.front().mesh;
    return mesh && std::ranges::all_of(tensor.shards, [&](const Shard& s) { return s.mesh == mesh; });
}

/// What the option `plain` says of the copies that ranks have of a plain tensor.
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

/// The first rank's copy alone, as FULL_STATE_DICT takes it: buffers may differ from rank to rank.
void forget_other_copies(std::vector<Place>& places, const SourceTensor& tensor) {
    const auto before = [&](const Holder& a, const Holder& b) {
        return tensor.shards[a.shard].rank < tensor.shards[b.shard].rank;
    };
    for (Place& place : places) place.holders = {*std::ranges::min_element(place.holders, before)};
}

class PlacementMerger : public Merger {
public:
    Plan plan(const CheckpointIndex& index, const Request& request) override {
        Options options(request.options);
        plain_ = read_plain_copies(options);
        options.finish();
        check_splits_known(index);
        const Holders stages = holders_of(index);
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
        planned.shape = planned.view = plain ? tensor.shards.front().shape : whole_shape(tensor);
        planned.replicas_stated = replicas_are_stated(tensor);
        std::vector<Place> places = places_of(tensor, index.meshes);
        check_one_reading(tensor, index.meshes);
        if (plain && plain_ == PlainCopies::first) forget_other_copies(places, tensor);
        for (const Place& place : places) add_place(planned, tensor, number, place);
        return planned;
    }

    /// As stated, or, where pieces state their origins alone, up to where the last one ends.
    static Dims whole_shape(const SourceTensor& tensor) {
        if (tensor.shape) return *tensor.shape;
        if (const std::optional<Dims> extent = extent_of_origins(tensor)) return *extent;
        throw Error(fmt::format("'{}': the checkpoint does not state the shape of the whole tensor", tensor.name));
    }

    static void add_place(PlannedTensor& planned, const SourceTensor& tensor, std::uint32_t number,
                          const Place& place) {
        if (place.box.extent.numel() == 0) return;
        const bool partial = !place.term.empty();
        for (const Holder& holder : place.holders) {
            const Shard& s = tensor.shards[holder.shard];
            const Copy copy{number,      holder.shard, checked_add(s.first, holder.skipped),
                            s.stride,    place.box,    partial ? CopyMode::add : CopyMode::set,
                            place.factor};
            if (holder.shard == place.holders.front().shard) {
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
