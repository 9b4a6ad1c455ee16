// The index as records, both ways.
#pragma once

#include "unshard/index.hpp"
#include "unshard/records.hpp"

#include <unordered_map>

namespace unshard::abi {

inline unshard_shard_spec record(Records& own, const ShardSpec& s) {
    unshard_shard_spec r{};
    r.shape = record(s.shape);
    r.stride = record(s.stride);
    r.origin = record(s.origin.value_or(Dims()));
    r.has_origin = s.origin.has_value();
    r.has_mesh = s.mesh.has_value();
    r.mesh = s.mesh.value_or(0);
    r.placements = own.array(s.placements, [](const Placement& p) {
        return unshard_placement{static_cast<std::uint32_t>(p.kind), p.dim, p.split_factor};
    });
    return r;
}

inline unshard_shard record(const Shard& s, std::uint32_t spec) {
    return {s.offset, s.bytes, s.first, s.file, s.rank, spec, s.crc32.has_value(), s.crc32.value_or(0), 0};
}

inline Placement value(const unshard_placement& r) {
    if (r.kind > static_cast<std::uint32_t>(PlacementKind::partial_avg)) {
        throw RecordError("placement kind " + std::to_string(r.kind) + " is unknown");
    }
    return {static_cast<PlacementKind>(r.kind), r.dim, r.split_factor};
}

inline ShardSpec value(const unshard_shard_spec& r) {
    ShardSpec s{.shape = value(r.shape), .stride = value(r.stride)};
    if (r.has_origin != 0) s.origin = value(r.origin);
    if (r.has_mesh != 0) s.mesh = r.mesh;
    s.placements = values<unshard_placement>(r.placements, [](const unshard_placement& p) { return value(p); });
    return s;
}

inline Shard value(const unshard_shard& r, const std::vector<Shared<ShardSpec>>& specs) {
    if (r.spec >= specs.size()) {
        throw RecordError("a shard has spec " + std::to_string(r.spec) + " of " + std::to_string(specs.size()));
    }
    Shard s{.file = r.file,
            .rank = r.rank,
            .offset = r.offset,
            .bytes = r.bytes,
            .first = r.first,
            .spec = specs[r.spec],
            .crc32 = {}};
    if (r.has_crc32 != 0) s.crc32 = r.crc32;
    return s;
}

inline unshard_source_file record(const SourceFile& f) {
    unshard_source_file r{};
    r.path = text(f.path);
    r.bytes = f.bytes;
    r.device = f.stamp.device;
    r.inode = f.stamp.inode;
    r.modified_ns = f.stamp.modified_ns;
    r.changed_ns = f.stamp.changed_ns;
    if (!f.packed) return r;
    r.packing = static_cast<std::uint32_t>(f.packed->format);
    r.packed_file = f.packed->file;
    r.packed_offset = f.packed->offset;
    r.packed_bytes = f.packed->bytes;
    return r;
}
inline SourceFile value(const unshard_source_file& r) {
    SourceFile f{text(r.path), r.bytes, std::nullopt, {r.device, r.inode, r.modified_ns, r.changed_ns}};
    if (r.packing == 0) return f;
    const auto format = static_cast<Packed::Format>(r.packing);
    if (format != Packed::Format::zstd) throw RecordError("packing " + std::to_string(r.packing) + " is unknown");
    f.packed = Packed{format, r.packed_file, r.packed_offset, r.packed_bytes};
    return f;
}

inline unshard_source_tensor record(Records& own, const SourceTensor& t) {
    std::vector<Shared<ShardSpec>> specs;
    std::unordered_map<const ShardSpec*, std::uint32_t> numbers;
    const auto number_of = [&](const Shared<ShardSpec>& spec) {
        const auto [entry, is_new] = numbers.try_emplace(&*spec, static_cast<std::uint32_t>(specs.size()));
        if (is_new) specs.push_back(spec);
        return entry->second;
    };
    unshard_source_tensor r{};
    r.name = text(t.name);
    r.dtype = static_cast<std::uint32_t>(t.dtype);
    r.has_shape = t.shape.has_value();
    r.shape = record(t.shape.value_or(Dims()));
    r.shards = own.array(t.shards, [&](const Shard& s) { return record(s, number_of(s.spec)); });
    r.specs = own.array(specs, [&](const Shared<ShardSpec>& s) { return record(own, *s); });
    if (t.encoding) r.encoding = record(*t.encoding);
    return r;
}

/// `Index` is CheckpointIndex, whose tensors are emptied once they were handed over, or const CheckpointIndex.
template <class Index>
    requires std::is_same_v<std::remove_const_t<Index>, CheckpointIndex>
unshard_index record(Records& own, Index& index) {
    unshard_index r{};
    r.format = text(index.format);
    r.ranks = index.ranks;
    r.files = own.array(index.files, [](const SourceFile& f) { return record(f); });
    r.meshes = own.array(index.meshes, [&](const Mesh& m) {
        return unshard_mesh{record(m.shape), own.strings(m.dim_names),
                            own.array(m.ranks, [](std::uint64_t v) { return v; })};
    });
    r.tensors = own.stream(index.tensors, [](Records& of, const SourceTensor& t) { return record(of, t); });
    r.dropped = records(own, index.dropped);
    r.warnings = own.strings(index.warnings);
    r.metadata = own.own(json_text(index.metadata));
    r.is_training_state = index.is_training_state;
    return r;
}

inline SourceTensor value(const unshard_source_tensor& r, SharedPool<ShardSpec>& pool) {
    SourceTensor t{text(r.name), dtype(r.dtype), {}, {}};
    if (r.encoding.name.size != 0) t.encoding = value(r.encoding);
    if (r.has_shape != 0) t.shape = value(r.shape);
    const auto specs = values<unshard_shard_spec>(r.specs, [&](const unshard_shard_spec& s) { return pool(value(s)); });
    t.shards = values<unshard_shard>(r.shards, [&](const unshard_shard& s) { return value(s, specs); });
    return t;
}

inline CheckpointIndex value(const unshard_index& r) {
    CheckpointIndex index;
    index.format = text(r.format);
    index.ranks = r.ranks;
    index.files = values<unshard_source_file>(r.files, [](const unshard_source_file& f) { return value(f); });
    index.meshes = values<unshard_mesh>(r.meshes, [](const unshard_mesh& m) {
        return Mesh{value(m.shape), strings(m.dim_names),
                    values<std::uint64_t>(m.ranks, [](std::uint64_t v) { return v; })};
    });
    SharedPool<ShardSpec> pool;
    for_each<unshard_source_tensor>(r.tensors,
                                    [&](const unshard_source_tensor& t) { index.tensors.push_back(value(t, pool)); });
    index.dropped = dropped(r.dropped);
    index.warnings = strings(r.warnings);
    index.metadata = json_object(r.metadata);
    index.is_training_state = r.is_training_state != 0;
    return index;
}

}  // namespace unshard::abi
