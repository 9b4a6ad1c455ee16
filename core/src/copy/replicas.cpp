#include "copy/replicas.hpp"

#include "elements/element_text.hpp"
#include "geometry/boxes.hpp"
#include "text/pattern.hpp"
#include "text/quantity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace unshard {
namespace {

const Shard& shard_of(const CheckpointIndex& index, const Copy& copy) {
    return index.tensors[copy.tensor].shards[copy.shard];
}

/// The copy that element `number` of the destination was read from.
const Copy& copy_of_element(const Destination& destination, std::uint64_t number) {
    const Box element = boxes_of_range(destination.dims, number, 1).front();
    return *std::find_if(destination.copies.begin(), destination.copies.end(),
                         [&](const Copy& copy) { return intersection(copy.box, element).has_value(); });
}

/// Whether any tensor of the checkpoint states how it was split.
bool states_geometry(const CheckpointIndex& index) {
    return std::ranges::any_of(index.tensors,
                               [](const SourceTensor& t) { return !std::ranges::all_of(t.shards, is_plain); });
}

std::string_view meaning_of_difference(const CheckpointIndex& index, const PlannedTensor& tensor, const Shard& first) {
    if (tensor.replicas_stated) return "it is stated to be replicated, so one of the files is damaged";
    if (is_plain(first) && states_geometry(index)) {
        return "nothing says that they are copies; if each rank keeps its own, as of a buffer, --set "
               "merge.options.plain=first takes the first rank's, as FULL_STATE_DICT does, else the checkpoint is "
               "damaged";
    }
    if (is_plain(first)) {
        return "nothing in the checkpoint says how it was split; if these are tensor-parallel parts, pass --merger "
               "tensor_parallel with rules that split it (or --merger concat), if each rank keeps its own, --merger "
               "placement --set merge.options.plain=first takes the first rank's, else the checkpoint is damaged";
    }
    return "they claim the same place, and share no mesh that makes them copies; if the training code itself had cut "
           "the "
           "weight into parts before groups of ranks sharded them, nothing says how, else the checkpoint is damaged";
}

}  // namespace

std::string difference_text(const CheckpointIndex& index, const PlannedTensor& tensor, const Destination& destination,
                            const Copy& replica, std::uint64_t tile_first, std::span<const std::byte> values,
                            std::span<const std::byte> other) {
    const std::uint64_t elem_bytes = size_of(tensor.dtype);
    const auto differing = std::mismatch(values.begin(), values.end(), other.begin()).first - values.begin();
    const std::uint64_t in_tile = static_cast<std::uint64_t>(differing) / elem_bytes;
    const std::uint64_t number = tile_first + in_tile;
    const std::string what = fmt::format("first at element {}: {}", grouped(number),
                                         both_values({tensor.dtype, values.subspan(in_tile * elem_bytes, elem_bytes)},
                                                     {tensor.dtype, other.subspan(in_tile * elem_bytes, elem_bytes)}));
    const Copy& copy = copy_of_element(destination, number);
    if (copy.tensor != replica.tensor) {
        const std::string& name = index.tensors[replica.tensor].name;
        return fmt::format(
            "{} differs from {} ({}) although config.json says tie_word_embeddings: --keep '{}' writes it "
            "and makes config.json say that they are not tied",
            name, tensor.name, what, exact_pattern(name));
    }
    const Shard& first = shard_of(index, copy);
    return fmt::format("{}: ranks {} and {} hold different values ({}): {}", tensor.name, first.rank,
                       shard_of(index, replica).rank, what, meaning_of_difference(index, tensor, first));
}

}  // namespace unshard
