// What a reader finds in a checkpoint: names, types, shapes, and where each shard's bytes lie. No tensor bytes.
#pragma once

#include "unshard/dims.hpp"
#include "unshard/dtype.hpp"
#include "unshard/encoding.hpp"
#include "unshard/tools/input_file.hpp"
#include "unshard/tools/shared.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace unshard {

/// How a tensor relates to one mesh dimension (torch.distributed.tensor.placement_types).
enum class PlacementKind : std::uint32_t { replicate, shard, strided_shard, partial_sum, partial_avg };

struct Placement {
    PlacementKind kind = PlacementKind::replicate;
    std::uint32_t dim = 0;           ///< shard, strided_shard: the tensor dimension that is split
    std::uint64_t split_factor = 1;  ///< strided_shard only
    friend bool operator==(const Placement&, const Placement&) = default;
};

/// torch.distributed.device_mesh.DeviceMesh: global ranks laid out in an array of `shape`, row-major.
struct Mesh {
    Dims shape;
    std::vector<std::string> dim_names;  ///< empty, or one for each dimension
    std::vector<std::uint64_t> ranks;    ///< shape.numel() global ranks
    friend bool operator==(const Mesh&, const Mesh&) = default;
};

/// Where a rank is in a mesh, one number for each mesh dimension; nothing when it is not in it.
inline std::optional<Dims> coordinate_of(const Mesh& mesh, std::uint64_t rank) {
    const auto found = std::ranges::find(mesh.ranks, rank);
    if (found == mesh.ranks.end()) return std::nullopt;
    auto position = static_cast<std::uint64_t>(found - mesh.ranks.begin());
    Dims coordinate = Dims::filled(mesh.shape.rank(), 0);
    for (std::size_t i = mesh.shape.rank(); i-- > 0; position /= mesh.shape[i])
        coordinate[i] = position % mesh.shape[i];
    return coordinate;
}

/// The form of a shard, and where it belongs in the whole tensor. Most shards of a checkpoint have one of few.
struct ShardSpec {
    Dims shape = {};
    Dims stride = {};                                  ///< elements, one for each dimension of `shape`
    std::optional<Dims> origin = std::nullopt;         ///< where it lies in the whole tensor, when the format states it
    std::optional<std::uint32_t> mesh = std::nullopt;  ///< into CheckpointIndex::meshes, when it has placements
    std::vector<Placement> placements = {};            ///< one for each dimension of the mesh

    std::size_t hash() const {
        Hash hash;
        hash.add_all(shape);
        hash.add_all(stride);
        hash.add_all(origin.value_or(Dims()));
        hash.add(mesh.value_or(0));
        for (const Placement& p : placements) hash.add(static_cast<std::uint64_t>(p.kind) << 32 | p.dim);
        return hash.value();
    }
    friend bool operator==(const ShardSpec&, const ShardSpec&) = default;
};

/// One stored piece of a tensor. Element (i0, i1, ..) lies `first + sum(i * stride)` elements into the storage.
struct Shard {
    std::uint32_t file = 0;    ///< into CheckpointIndex::files
    std::uint32_t rank = 0;    ///< the global rank that saved it
    std::uint64_t offset = 0;  ///< where its storage begins, bytes from the start of the file
    std::uint64_t bytes = 0;   ///< the storage's size; nothing outside it is ever read
    std::uint64_t first = 0;   ///< elements
    Shared<ShardSpec> spec;
    std::optional<std::uint32_t> crc32;  ///< of the storage's bytes, when the format states it: that of zip
    friend bool operator==(const Shard&, const Shard&) = default;
};

/// A shard of the file that is a tensor of its own: its elements lie one behind the other from `offset` on.
inline Shard contiguous_shard(std::uint32_t file, std::uint64_t offset, DType dtype, ShardSpec spec) {
    spec.stride = contiguous_strides(spec.shape);
    const std::uint64_t bytes = checked_mul(spec.shape.numel(), size_of(dtype));
    return {
        .file = file, .rank = 0, .offset = offset, .bytes = bytes, .first = 0, .spec = std::move(spec), .crc32 = {}};
}

/// The same for a file that holds whole tensors.
inline Shard whole_tensor_shard(std::uint32_t file, std::uint64_t offset, DType dtype, const Dims& shape) {
    return contiguous_shard(file, offset, dtype, {.shape = shape, .origin = Dims::filled(shape.rank(), 0)});
}

/// Whether nothing says where the shard belongs in its tensor.
inline bool is_plain(const Shard& shard) {
    return !shard.spec->mesh && !shard.spec->origin;
}

/// A tensor of the model and all its pieces, in rank order.
struct SourceTensor {
    std::string name;  ///< the fully qualified name, as saved
    DType dtype = DType::f32;
    std::optional<Dims> shape;  ///< of the whole tensor, when the format states it
    std::vector<Shard> shards;
    /// Stored in blocks, as quantised tensors are: `dtype` is u8, and shapes count bytes in the last dimension. Such a
    /// tensor can be shown and compared; nothing is converted from it.
    std::optional<Encoding> encoding = std::nullopt;
    friend bool operator==(const SourceTensor&, const SourceTensor&) = default;
};

/// Where the last piece ends in each dimension, when all state their origins: the whole shape, as far as the pieces
/// tell. Nothing when they do not fit together.
inline std::optional<Dims> extent_of_origins(const SourceTensor& tensor) {
    if (tensor.shards.empty()) return std::nullopt;
    Dims shape = Dims::filled(tensor.shards.front().spec->shape.rank(), 0);
    for (const Shard& shard : tensor.shards) {
        if (!shard.spec->origin) return std::nullopt;
        const Dims& origin = *shard.spec->origin;
        const Dims& extent = shard.spec->shape;
        if (origin.rank() != shape.rank() || extent.rank() != shape.rank()) return std::nullopt;
        for (std::size_t i = 0; i < shape.rank(); ++i) shape[i] = std::max(shape[i], checked_add(origin[i], extent[i]));
    }
    return shape;
}

/// A stretch of another source file that has to be unpacked before it can be read.
struct Packed {
    enum class Format : std::uint32_t { zstd = 1 };
    Format format = Format::zstd;  ///< zstd: one or more whole frames, RFC 8878
    std::uint32_t file = 0;        ///< into CheckpointIndex::files; that file is not packed itself
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    friend bool operator==(const Packed&, const Packed&) = default;
};

/// A file, or what a stretch of one unpacks to: shards count in the unpacked bytes.
struct SourceFile {
    std::string path;  ///< for packed ones: what messages call it
    std::uint64_t bytes = 0;
    std::optional<Packed> packed = std::nullopt;
    FileStamp stamp = {};  ///< when it was indexed; all zero: not known
    friend bool operator==(const SourceFile&, const SourceFile&) = default;
};

/// What an index says of a file that is open.
inline SourceFile source_file(const InputFile& file) {
    return {file.path(), file.bytes(), std::nullopt, file.stamp()};
}

/// Something that is not converted, and why. Nothing is left out in silence.
struct Dropped {
    std::string name;
    std::string why;
    friend bool operator==(const Dropped&, const Dropped&) = default;
};

struct CheckpointIndex {
    std::string format;       ///< for people, e.g. "FSDP, 4 ranks"
    std::uint64_t ranks = 0;  ///< how many ranks saved it; 0: as many as shards and meshes name
    std::vector<SourceFile> files;
    std::vector<Mesh> meshes;
    std::vector<SourceTensor> tensors;
    std::vector<Dropped> dropped;
    std::vector<std::string> warnings;
    nlohmann::json metadata = nlohmann::json::object();
    /// Training code wrote it: its names may carry what wrappers (DDP, FSDP, torch.compile) put into them.
    bool is_training_state = false;
    friend bool operator==(const CheckpointIndex&, const CheckpointIndex&) = default;
};

}  // namespace unshard
