#include "report/stored.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

namespace unshard {
namespace {

/// "Replicate() x2, Shard(0) x2 on ('ddp', 'fsdp')".
std::string placed_text(const Shard& shard, const CheckpointIndex& index) {
    if (*shard.spec->mesh >= index.meshes.size()) return "on an unknown mesh";
    const Mesh& mesh = index.meshes[*shard.spec->mesh];
    std::vector<std::string> parts, names;
    for (std::size_t i = 0; i < shard.spec->placements.size() && i < mesh.shape.rank(); ++i) {
        parts.push_back(fmt::format("{} x{}", to_string(shard.spec->placements[i]), mesh.shape[i]));
    }
    for (const std::string& name : mesh.dim_names) names.push_back("'" + name + "'");
    const std::string text = fmt::format("{}", fmt::join(parts, ", "));
    return names.empty() ? text : fmt::format("{} on ({})", text, fmt::join(names, ", "));
}

bool same_shapes(const SourceTensor& tensor) {
    return std::all_of(tensor.shards.begin(), tensor.shards.end(),
                       [&](const Shard& s) { return s.spec->shape == tensor.shards.front().spec->shape; });
}

}  // namespace

std::string to_string(const Placement& placement) {
    switch (placement.kind) {
        case PlacementKind::replicate:
            return "Replicate()";
        case PlacementKind::shard:
            return fmt::format("Shard({})", placement.dim);
        case PlacementKind::strided_shard:
            return fmt::format("_StridedShard({}, sf={})", placement.dim, placement.split_factor);
        case PlacementKind::partial_sum:
            return "Partial(sum)";
        case PlacementKind::partial_avg:
            return "Partial(avg)";
    }
    return "";
}

std::string stored_text(const SourceTensor& tensor, const CheckpointIndex& index) {
    if (tensor.shards.empty()) return "nowhere";
    std::set<std::string> forms;
    for (const Shard& shard : tensor.shards) {
        if (shard.spec->mesh) forms.insert(placed_text(shard, index));
        if (!shard.spec->mesh) forms.insert(shard.spec->origin ? "boxes" : "plain");
    }
    if (forms.size() > 1) return fmt::format("{} shards of several kinds", tensor.shards.size());
    if (tensor.shards.front().spec->mesh) return *forms.begin();
    if (tensor.shards.size() == 1) return "whole";
    if (tensor.shards.front().spec->origin) return fmt::format("{} boxes", tensor.shards.size());
    return fmt::format("{} on {} ranks", same_shapes(tensor) ? "same shape" : "plain parts", tensor.shards.size());
}

Dims shape_in_elements(const Dims& in_bytes, const Encoding& encoding) {
    Dims shape = in_bytes;
    if (!shape.empty()) {
        shape[shape.rank() - 1] = checked_mul(shape.back() / encoding.block_bytes, encoding.block_elems);
    }
    return shape;
}

std::string type_text(const SourceTensor& tensor) {
    return tensor.encoding ? tensor.encoding->name : to_string(tensor.dtype);
}

StoredFiles stored_files(const CheckpointIndex& index) {
    StoredFiles files;
    for (const SourceFile& file : index.files) {
        if (file.packed) continue;
        ++files.count;
        files.bytes += file.bytes;
    }
    return files;
}

std::optional<Dims> known_shape(const SourceTensor& tensor) {
    if (tensor.shape && tensor.encoding) return shape_in_elements(*tensor.shape, *tensor.encoding);
    if (tensor.shape || tensor.shards.empty()) return tensor.shape;
    if (tensor.shards.front().spec->origin) return extent_of_origins(tensor);
    const bool plain = std::all_of(tensor.shards.begin(), tensor.shards.end(), is_plain);
    return plain && same_shapes(tensor) ? std::optional(tensor.shards.front().spec->shape) : std::nullopt;
}

std::uint64_t stored_bytes(const SourceTensor& tensor) {
    std::uint64_t bytes = 0;
    for (const Shard& s : tensor.shards)
        bytes = checked_add(bytes, checked_mul(s.spec->shape.numel(), size_of(tensor.dtype)));
    return bytes;
}

}  // namespace unshard
