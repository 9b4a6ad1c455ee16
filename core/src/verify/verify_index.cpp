#include "text/quantity.hpp"
#include "verify/verify.hpp"
#include "verify/verify_common.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

namespace unshard {
namespace {

void check_mesh(const Mesh& mesh, std::uint64_t ranks) {
    if (mesh.shape.numel() == 0) throw PluginMistake(fmt::format("the mesh {} has no ranks", to_string(mesh.shape)));
    if (mesh.shape.numel() != mesh.ranks.size()) {
        throw PluginMistake(fmt::format("a mesh {} lists {} ranks", to_string(mesh.shape), mesh.ranks.size()));
    }
    if (!mesh.dim_names.empty() && mesh.dim_names.size() != mesh.shape.rank()) {
        throw PluginMistake(
            fmt::format("a mesh {} has {} dimension names", to_string(mesh.shape), mesh.dim_names.size()));
    }
    std::unordered_set<std::uint64_t> seen;
    for (const std::uint64_t rank : mesh.ranks) {
        if (rank >= ranks) {
            throw Error(fmt::format("rank {} is on a mesh, there are files of {} ranks: other ranks' files are missing",
                                    rank, ranks));
        }
        if (!seen.insert(rank).second) throw PluginMistake(fmt::format("rank {} is twice on a mesh", rank));
    }
}

void check_packed(const CheckpointIndex& index, const Packed& packed) {
    if (packed.file >= index.files.size()) {
        throw PluginMistake(fmt::format("is packed in file {} of {}", packed.file, index.files.size()));
    }
    const SourceFile& file = index.files[packed.file];
    if (file.packed) throw PluginMistake(fmt::format("is packed in '{}', which is packed too", file.path));
    if (checked_add(packed.offset, packed.bytes) > file.bytes) {
        throw PluginMistake(fmt::format("is packed in bytes {} to {} of '{}', which has {}", grouped(packed.offset),
                                        grouped(packed.offset + packed.bytes), file.path, grouped(file.bytes)));
    }
}

void check_placements(const CheckpointIndex& index, const Shard& shard) {
    if (!shard.spec->mesh) {
        if (!shard.spec->placements.empty()) throw PluginMistake("has placements but no mesh");
        return;
    }
    if (*shard.spec->mesh >= index.meshes.size()) {
        throw PluginMistake(fmt::format("is on mesh {} of {}", *shard.spec->mesh, index.meshes.size()));
    }
    const Mesh& mesh = index.meshes[*shard.spec->mesh];
    if (shard.spec->placements.size() != mesh.shape.rank()) {
        throw PluginMistake(
            fmt::format("{} placements on a mesh {}", shard.spec->placements.size(), to_string(mesh.shape)));
    }
    for (const Placement& p : shard.spec->placements) {
        const bool splits = p.kind == PlacementKind::shard || p.kind == PlacementKind::strided_shard;
        if (!splits) continue;
        if (p.dim >= shard.spec->shape.rank()) {
            throw PluginMistake(
                fmt::format("is split along dim {}, its shape is {}", p.dim, to_string(shard.spec->shape)));
        }
        if (p.split_factor == 0) throw PluginMistake("has the split factor 0");
    }
}

void check_against_whole(const Dims& whole, const Shard& shard) {
    if (whole.rank() != shard.spec->shape.rank()) {
        throw Error(fmt::format("is {}, the whole tensor {}", to_string(shard.spec->shape), to_string(whole)));
    }
    const Box box{shard.spec->origin.value_or(Dims::filled(whole.rank(), 0)), shard.spec->shape};
    if (!contains(whole, box)) {
        throw Error(fmt::format("is {} at {}, outside the whole tensor {}", to_string(box.extent),
                                to_string(box.origin), to_string(whole)));
    }
}

void check_shard(const CheckpointIndex& index, const SourceTensor& tensor, const Shard& shard) {
    if (shard.file >= index.files.size()) {
        throw PluginMistake(fmt::format("is in file {} of {}", shard.file, index.files.size()));
    }
    if (shard.rank >= index.ranks) {
        throw PluginMistake(
            fmt::format("is not one of the {} that saved the checkpoint, 0 to {}", index.ranks, index.ranks - 1));
    }
    const SourceFile& file = index.files[shard.file];
    if (checked_add(shard.offset, shard.bytes) > file.bytes) {
        throw Error(fmt::format("its storage is bytes {} to {} of '{}', which has {}: the file is truncated or damaged",
                                grouped(shard.offset), grouped(shard.offset + shard.bytes), file.path,
                                grouped(file.bytes)));
    }
    check_walk(shard.first, shard.spec->shape, shard.spec->stride, size_of(tensor.dtype), shard.bytes);
    if (shard.spec->origin && shard.spec->origin->rank() != shard.spec->shape.rank()) {
        throw PluginMistake(fmt::format("is {} at {}", to_string(shard.spec->shape), to_string(*shard.spec->origin)));
    }
    if (tensor.shape) check_against_whole(*tensor.shape, shard);
    check_placements(index, shard);
}

void check_encoding(const SourceTensor& tensor) {
    const Encoding& e = *tensor.encoding;
    const auto is_whole_blocks = [&](const Dims& shape) { return !shape.empty() && shape.back() % e.block_bytes == 0; };
    const bool is_sound = tensor.dtype == DType::u8 && e.block_elems != 0 && e.block_bytes != 0;
    if (!is_sound || (tensor.shape && !is_whole_blocks(*tensor.shape))) {
        throw PluginMistake(fmt::format("blocks '{}' of {} elements in {} bytes do not fit {} {}", e.name,
                                        e.block_elems, e.block_bytes, to_string(tensor.dtype),
                                        to_string(tensor.shape.value_or(Dims()))));
    }
    if (!tensor.shape) throw PluginMistake(fmt::format("is stored as '{}', without the whole tensor's shape", e.name));
}

/// That of its first shard.
std::string_view file_of(const CheckpointIndex& index, const SourceTensor& tensor) {
    const bool has_file = !tensor.shards.empty() && tensor.shards.front().file < index.files.size();
    return has_file ? std::string_view(index.files[tensor.shards.front().file].path) : "";
}

}  // namespace

void verify_index(const CheckpointIndex& index) {
    Problems problems;
    for (std::size_t i = 0; i < index.meshes.size(); ++i) {
        problems.collect(fmt::format("mesh {}", i), [&] { check_mesh(index.meshes[i], index.ranks); });
    }
    for (const SourceFile& file : index.files) {
        if (file.packed) problems.collect(file.path, [&] { check_packed(index, *file.packed); });
    }
    problems.raise();
    NameCheck check_name(problems);
    for (std::size_t i = 0; i < index.tensors.size(); ++i) {
        check_name(index.tensors[i].name, i, file_of(index, index.tensors[i]));
    }
    problems.raise();
    for (const SourceTensor& tensor : index.tensors) {
        problems.collect(tensor.name, [&] { tensor.shape.value_or(Dims()).numel(); });
        if (tensor.encoding) problems.collect(tensor.name, [&] { check_encoding(tensor); });
        for (const Shard& shard : tensor.shards) {
            problems.collect(fmt::format("{}: rank {}", tensor.name, shard.rank),
                             [&] { check_shard(index, tensor, shard); });
        }
    }
    problems.raise();
}

void verify_plain(const CheckpointIndex& index) {
    const auto is_stored_in_blocks = [](const SourceTensor& tensor) { return tensor.encoding.has_value(); };
    const auto first = std::ranges::find_if(index.tensors, is_stored_in_blocks);
    if (first == index.tensors.end()) return;
    const auto others = std::ranges::count_if(first + 1, index.tensors.end(), is_stored_in_blocks);
    throw Error(fmt::format(
        "{}: is stored as {}{}; quantised tensors are not converted: take the model before it was "
        "quantised",
        first->name, first->encoding->name, others == 0 ? "" : fmt::format(", and {} more likewise", others)));
}

}  // namespace unshard
