// Files as torch.save writes them, made by hand: the pickles of tensors, DTensors and meshes, and the archive around.
#pragma once

#include "support/pickle_builder.hpp"
#include "support/zip_builder.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace unshard::test {

/// An archive with this pickle and these storages, data/0 first.
inline std::string torch_file(const pickle::Code& value, const std::vector<std::string>& storages,
                              const std::string& byteorder = "little") {
    ZipBuilder zip;
    zip.add({.name = "archive/data.pkl", .bytes = pickle::file(value)});
    zip.add({.name = "archive/byteorder", .bytes = byteorder});
    for (std::size_t i = 0; i < storages.size(); ++i) {
        zip.add({.name = "archive/data/" + std::to_string(i), .bytes = storages[i]});
    }
    zip.add({.name = "archive/version", .bytes = "3\n"});
    return zip.build();
}

/// An OrderedDict, as state dicts are.
inline pickle::Code state_dict(const pickle::Items& items) {
    return pickle::call("collections.OrderedDict", {}) + pickle::set_items(items);
}

inline pickle::Code storage(const std::string& type, const std::string& key, std::int64_t count) {
    return pickle::persistent(pickle::tuple({pickle::text("storage"), pickle::global("torch." + type),
                                             pickle::text(key), pickle::text("cpu"), pickle::integer(count)}));
}

inline pickle::Code strided(const pickle::Code& storage, std::int64_t first, const std::vector<std::int64_t>& shape,
                            const std::vector<std::int64_t>& stride) {
    return pickle::call("torch._utils._rebuild_tensor_v2",
                        {storage, pickle::integer(first), pickle::integers(shape), pickle::integers(stride),
                         pickle::boolean(false), pickle::call("collections.OrderedDict", {})});
}

/// A float32 tensor that fills storage `key`.
inline pickle::Code floats(const std::string& key, const std::vector<std::int64_t>& shape) {
    std::vector<std::int64_t> stride(shape.size(), 1);
    for (std::size_t i = shape.size(); i-- > 1;) stride[i - 1] = stride[i] * shape[i];
    return strided(storage("FloatStorage", key, shape.empty() ? 1 : shape[0] * stride[0]), 0, shape, stride);
}

/// A storage in the form before PyTorch 1.6: its key, the number of elements that the file states, and their bytes.
struct LegacyStorage {
    std::string key;
    std::uint64_t count = 0;
    std::string bytes;
};

inline pickle::Code legacy_storage(const std::string& type, const std::string& key, std::int64_t count,
                                   const pickle::Code& view = pickle::none()) {
    return pickle::persistent(pickle::tuple({pickle::text("storage"), pickle::global("torch." + type),
                                             pickle::text(key), pickle::text("cpu"), pickle::integer(count), view}));
}

/// The pickles of such a file, each of which a test may want otherwise.
struct LegacyPickles {
    std::string magic = "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.";
    pickle::Code version = pickle::integer(1001);
    pickle::Code system = pickle::dict({{"protocol_version", pickle::integer(1001)},
                                        {"little_endian", pickle::boolean(true)},
                                        {"type_sizes", pickle::dict({})}});
    std::optional<pickle::Code> keys = {};  ///< those of the storages
};

inline std::string legacy_file(const pickle::Code& value, const std::vector<LegacyStorage>& storages,
                               const LegacyPickles& pickles = {}) {
    pickle::Codes keys;
    std::string data;
    for (const LegacyStorage& storage : storages) {
        keys.push_back(pickle::text(storage.key));
        data += le(storage.count, 8) + storage.bytes;
    }
    return pickles.magic + pickle::file(pickles.version) + pickle::file(pickles.system) + pickle::file(value) +
           pickle::file(pickles.keys.value_or(pickle::list(keys))) + data;
}

inline std::string int32_bytes(const std::vector<std::uint64_t>& values) {
    std::string bytes;
    for (const std::uint64_t value : values) bytes += le(value, 4);
    return bytes;
}

/// torch.Size
inline pickle::Code size(const std::vector<std::int64_t>& shape) {
    return pickle::call("torch.Size", {pickle::integers(shape)});
}

inline pickle::Code shard_placement(std::int64_t dim) {
    return pickle::built("torch.distributed.tensor.placement_types.Shard", {{"dim", pickle::integer(dim)}});
}
inline pickle::Code strided_placement(std::int64_t dim, std::int64_t factor) {
    return pickle::built("torch.distributed.tensor.placement_types._StridedShard",
                         {{"dim", pickle::integer(dim)}, {"split_factor", pickle::integer(factor)}});
}
inline pickle::Code replicate_placement() {
    return pickle::object("torch.distributed.tensor.placement_types.Replicate");
}

/// A mesh as PyTorch 2.3 to 2.9 pickle it: its ranks in the IntStorage `key`.
inline pickle::Code mesh_by_tensor(const std::string& key, const std::vector<std::int64_t>& shape,
                                   const pickle::Items& more = {}) {
    std::int64_t count = 1;
    std::vector<std::int64_t> stride(shape.size(), 1);
    for (std::size_t i = shape.size(); i-- > 0; count *= shape[i]) stride[i] = count;
    pickle::Items state = {{"device_type", pickle::text("cpu")},
                           {"mesh", strided(storage("IntStorage", key, count), 0, shape, stride)}};
    state.insert(state.end(), more.begin(), more.end());
    return pickle::built("torch.distributed.device_mesh.DeviceMesh", state);
}

struct Axis {
    std::vector<std::int64_t> shape, stride;
};

/// A mesh as PyTorch 2.13 pickles it: a layout over the run's `ranks` ranks in the IntStorage `key`.
inline pickle::Code mesh_by_layout(const std::string& key, std::int64_t ranks, const std::vector<Axis>& axes,
                                   const pickle::Items& more = {}) {
    pickle::Codes flat;
    for (const Axis& axis : axes) {
        flat.push_back(
            pickle::built("torch.distributed._mesh_layout._FlatLayout",
                          {{"shape", pickle::integers(axis.shape)}, {"stride", pickle::integers(axis.stride)}}));
    }
    pickle::Items state = {
        {"_layout", pickle::built("torch.distributed._mesh_layout._MeshLayout", {{"axes", pickle::tuple(flat)}})},
        {"_rank_map", strided(storage("IntStorage", key, ranks), 0, {ranks}, {1})}};
    state.insert(state.end(), more.begin(), more.end());
    return pickle::built("torch.distributed.device_mesh.DeviceMesh", state);
}

/// What torch._utils._rebuild_wrapper_subclass is called with for a float32 tensor of a class.
inline pickle::Code wrapper_args(const pickle::Code& type, const std::vector<std::int64_t>& shape) {
    return pickle::tuple({type, pickle::global("torch.float32"), pickle::integers(shape), pickle::integers(shape),
                          pickle::integer(0),
                          pickle::call("torch.serialization._get_layout", {pickle::text("torch.strided")}),
                          pickle::call("torch.device", {pickle::text("cpu")}), pickle::boolean(false)});
}

/// A float32 DTensor with this local tensor.
inline pickle::Code dtensor(const pickle::Code& local, const std::vector<std::int64_t>& shape, const pickle::Code& mesh,
                            const pickle::Codes& placements, const pickle::Items& more_spec = {}) {
    pickle::Items spec = {
        {"mesh", mesh},
        {"placements", pickle::tuple(placements)},
        {"tensor_meta", pickle::object("torch.distributed.tensor._dtensor_spec.TensorMeta",
                                       {size(shape), pickle::integers(shape), pickle::global("torch.float32")})}};
    spec.insert(spec.end(), more_spec.begin(), more_spec.end());
    const pickle::Code type = pickle::global("torch.distributed.tensor.DTensor");
    return pickle::call(
        "torch._tensor._rebuild_from_type_v2",
        {pickle::global("torch._utils._rebuild_wrapper_subclass"), type, wrapper_args(type, shape),
         pickle::tuple(
             {pickle::none(),
              pickle::dict({{"_local_tensor", local},
                            {"_spec", pickle::built("torch.distributed.tensor._dtensor_spec.DTensorSpec", spec)}})})});
}

}  // namespace unshard::test
