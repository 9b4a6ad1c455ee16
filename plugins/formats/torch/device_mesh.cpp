// torch.distributed.device_mesh.DeviceMesh is pickled as its __dict__, which changed over the releases:
//     2.1 to 2.9    mesh: an integer tensor of the mesh's shape that holds global ranks; mesh_dim_names
//     2.10 to 2.13  _rank_map: a 1-D tensor of the ranks of the whole run; _layout: sizes and strides into it, for this
//                   mesh alone; _mesh_dim_names; _rank: the rank that saved it
//     all           _coordinate_on_dim: where the saving rank stands in the mesh, or None
// _layout is a _MeshLayout with `axes`, a tuple of _FlatLayout{shape, stride} (2.13), or with `shape` and `stride`,
// nested tuples with one item for each axis (before). An axis may have several sizes and strides (flattened
// dimensions), or none (of size 1).
//
// A mesh that is a slice of a larger one, e.g. mesh["fsdp"] of ("fsdp", "tp"), has the same _layout on all ranks,
// although each tp rank has a slice of its own. The slice is the one that the saving rank is in
// (DeviceMesh._get_mesh_tensor_from_full_mesh).

#include "formats/torch/device_mesh.hpp"

#include "formats/torch/tensor.hpp"
#include "unshard/tools/checked.hpp"
#include "unshard/tools/shared.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>

namespace unshard::torch {
namespace {

constexpr const char* kHowToFix = ": rank files were swapped or copied: give each the name it was saved under";

/// `size` positions in the rank map, `stride` apart.
struct Step {
    std::uint64_t size = 1;
    std::uint64_t stride = 0;
};

/// The layout of a mesh: its shape, and the steps of all its axes in order.
struct Layout {
    Dims shape;
    std::vector<Step> steps;
};

/// The numbers of a nested tuple, or of a single number, from left to right.
std::vector<std::uint64_t> flattened(const Values& values, Ref nested) {
    constexpr std::size_t kMaxNumbers = 64;
    std::vector<std::uint64_t> numbers;
    std::vector<Ref> pending{nested};
    for (std::size_t visited = 0; !pending.empty(); ++visited) {
        if (visited == kMaxNumbers) throw Error("the layout of its mesh has more than 64 parts");
        const Ref next = pending.back();
        pending.pop_back();
        if (values.get_if<Tuple>(next) == nullptr) {
            numbers.push_back(values.count(next, "the layout of its mesh"));
            continue;
        }
        const std::span<const Ref> items = values.sequence(next, "the layout of its mesh");
        if (items.size() > kMaxNumbers) throw Error("the layout of its mesh has more than 64 parts");
        pending.insert(pending.end(), items.rbegin(), items.rend());
    }
    return numbers;
}

void add_axis(Layout& layout, const Values& values, Ref shape, Ref stride) {
    const std::vector<std::uint64_t> sizes = flattened(values, shape);
    const std::vector<std::uint64_t> strides = flattened(values, stride);
    if (sizes.size() != strides.size()) throw Error("the layout of its mesh has sizes and strides of different length");
    std::uint64_t size = 1;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        size = checked_mul(size, sizes[i]);
        layout.steps.push_back({sizes[i], strides[i]});
    }
    layout.shape.push_back(size);
}

Layout read_layout(const Values& values, Ref ref) {
    Layout layout;
    if (!values.is_made_by(ref, Symbol::mesh_layout)) throw Error("the layout of its mesh is " + values.describe(ref));
    if (const std::optional<Ref> axes = values.attribute(ref, "axes")) {
        for (const Ref axis : values.sequence(*axes, "the layout of its mesh")) {
            if (!values.is_made_by(axis, Symbol::flat_layout)) {
                throw Error("an axis of its mesh is " + values.describe(axis));
            }
            add_axis(layout, values, values.required(axis, "shape"), values.required(axis, "stride"));
        }
        return layout;
    }
    const Ref shape = values.required(ref, "shape");
    const Ref stride = values.required(ref, "stride");
    if (values.get_if<Tuple>(shape) == nullptr) {
        add_axis(layout, values, shape, stride);
        return layout;
    }
    const std::span<const Ref> sizes = values.sequence(shape, "the layout of its mesh");
    const std::span<const Ref> strides = values.sequence(stride, "the layout of its mesh");
    if (sizes.size() != strides.size()) throw Error("the layout of its mesh has sizes and strides of different length");
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        add_axis(layout, values, sizes[i], strides[i]);
    }
    return layout;
}

/// Where in the rank map the slice with `position` begins: `position` less its steps along the layout. PyTorch makes
/// only layouts in which each stride is a multiple of the next smaller stride times its size.
std::uint64_t slice_begin(std::vector<Step> steps, std::uint64_t position, std::uint64_t ranks) {
    std::erase_if(steps, [](const Step& step) { return step.size == 1; });
    std::ranges::sort(steps, {}, &Step::stride);
    std::uint64_t span = 1;
    std::uint64_t begin = position;
    for (const Step& step : steps) {
        if (step.stride == 0 || step.stride % span != 0) throw Error("the layout of its mesh overlaps itself");
        begin -= position / step.stride % step.size * step.stride;
        span = checked_mul(step.stride, step.size);
    }
    if (span > ranks) throw Error("the layout of its mesh points outside the run's ranks");
    return begin;
}

/// The ranks that a layout picks from the rank map, in row-major order, from position `begin` on.
std::vector<std::uint64_t> pick(const Layout& layout, const std::vector<std::uint64_t>& rank_map, std::uint64_t begin) {
    std::vector<std::uint64_t> positions{begin};
    for (const Step& step : layout.steps) {
        std::vector<std::uint64_t> next;
        for (const std::uint64_t position : positions) {
            for (std::uint64_t i = 0; i < step.size; ++i) next.push_back(position + i * step.stride);
        }
        positions = std::move(next);
    }
    for (std::uint64_t& position : positions) {
        position = rank_map.at(position);
    }
    return positions;
}

Mesh mesh_of_layout(const SavedFile& file, Ref mesh, std::uint64_t rank, std::uint64_t& ranks_read) {
    const Layout layout = read_layout(file.values(), file.values().required(mesh, "_layout"));
    const std::vector<std::uint64_t> rank_map =
        read_integers(file, read_strided(file, file.values().required(mesh, "_rank_map")));
    ranks_read += rank_map.size();
    const std::uint64_t size = layout.shape.numel();
    if (size == 0 || size > rank_map.size()) {
        throw Error(fmt::format("the layout of its mesh has {} ranks of a run of {}", size, rank_map.size()));
    }
    const auto found = std::ranges::find(rank_map, rank);
    // A rank may have saved a mesh that it is not in. Then the mesh is known only when it has all ranks.
    if (found == rank_map.end() && size != rank_map.size()) {
        throw Error(fmt::format("its mesh is of a run without rank {}", rank));
    }
    const auto position = found == rank_map.end() ? 0 : static_cast<std::uint64_t>(found - rank_map.begin());
    return {layout.shape, {}, pick(layout, rank_map, slice_begin(layout.steps, position, rank_map.size()))};
}

Mesh mesh_of_tensor(const SavedFile& file, Ref tensor, std::uint64_t& ranks_read) {
    const StridedTensor ranks = read_strided(file, tensor);
    ranks_read += ranks.spec.shape.numel();
    return {ranks.spec.shape, {}, read_integers(file, ranks)};
}

std::optional<Ref> first_attribute(const Values& values, Ref object, std::string_view name, std::string_view old_name) {
    const std::optional<Ref> found = values.attribute(object, name);
    return found ? found : values.attribute(object, old_name);
}

std::vector<std::string> read_dim_names(const Values& values, Ref mesh) {
    std::vector<std::string> names;
    const std::optional<Ref> found = first_attribute(values, mesh, "_mesh_dim_names", "mesh_dim_names");
    if (!found || *found == kNone) return names;
    for (const Ref name : values.sequence(*found, "the names of its mesh")) {
        if (names.size() == kMaxDims) throw Error("its mesh has too many names");
        names.push_back(values.text(name, "a name of its mesh"));
    }
    return names;
}

void check_saved_by(const Values& values, Ref ref, const Mesh& mesh, std::uint64_t rank) {
    const std::optional<Ref> saver = values.attribute(ref, "_rank");
    if (saver && *saver != kNone) check_rank(values.count(*saver, "the rank of its mesh"), rank);
    const std::optional<Ref> stated = values.attribute(ref, "_coordinate_on_dim");
    if (!stated || *stated == kNone) return;
    const Dims coordinate = values.dims(*stated, "the coordinate of its mesh");
    const std::optional<Dims> expected = coordinate_of(mesh, rank);
    if (expected == coordinate) return;
    throw Error(fmt::format("it is the shard of mesh coordinate {}, the file's name says rank {}, which is {}{}",
                            to_string(coordinate), rank, expected ? "at " + to_string(*expected) : "not in the mesh",
                            kHowToFix));
}

Mesh read_mesh(const SavedFile& file, Ref ref, std::uint64_t rank, std::uint64_t& ranks_read) {
    const Values& values = file.values();
    if (!values.is_made_by(ref, Symbol::device_mesh)) {
        throw Error(fmt::format("its mesh is {}, not a DeviceMesh", values.describe(ref)));
    }
    const std::optional<Ref> tensor = values.attribute(ref, "mesh");
    Mesh mesh = tensor && *tensor != kNone ? mesh_of_tensor(file, *tensor, ranks_read)
                                           : mesh_of_layout(file, ref, rank, ranks_read);
    mesh.dim_names = read_dim_names(values, ref);
    if (!mesh.dim_names.empty() && mesh.dim_names.size() != mesh.shape.rank()) {
        throw Error(fmt::format("its mesh {} has {} names", to_string(mesh.shape), mesh.dim_names.size()));
    }
    check_saved_by(values, ref, mesh, rank);
    return mesh;
}

std::size_t hash_of(const Mesh& mesh) {
    Hash hash;
    hash.add_all(mesh.shape);
    hash.add_all(mesh.ranks);
    for (const std::string& name : mesh.dim_names) hash.add(std::hash<std::string>()(name));
    return hash.value();
}

}  // namespace

void check_rank(std::uint64_t stated, std::uint64_t named) {
    if (stated == named) return;
    throw Error(fmt::format("it was saved by rank {}, the file's name says rank {}{}", stated, named, kHowToFix));
}

// The file holds a mesh's ranks once, in a tensor that any number of meshes may share; in memory every mesh has a list
// of its own. A file of a training run has a few meshes; the limits keep a hostile file from filling the memory.
std::uint32_t MeshReader::read(Ref mesh) {
    constexpr std::uint64_t kMostRead = 1 << 26, kMostKept = 1 << 21, kMostMeshes = 1000;
    if (const auto known = known_.find(mesh); known != known_.end()) return known->second;
    const std::uint32_t number = number_of(read_mesh(file_, mesh, rank_, ranks_read_));
    known_.emplace(mesh, number);
    if (ranks_read_ > kMostRead) {
        throw Error(fmt::format(
            "the file has so many meshes that more than {} ranks would be read: that is no checkpoint of PyTorch",
            kMostRead));
    }
    if (ranks_kept_ > kMostKept || meshes_.size() > kMostMeshes) {
        throw Error(
            fmt::format("the file has {} different meshes of {} ranks together: that is no checkpoint of PyTorch",
                        meshes_.size(), ranks_kept_));
    }
    return number;
}

std::uint32_t MeshReader::number_of(Mesh mesh) {
    const std::size_t hash = hash_of(mesh);
    const auto [begin, end] = by_hash_.equal_range(hash);
    for (auto same = begin; same != end; ++same) {
        if (meshes_[same->second] == mesh) return same->second;
    }
    const auto number = static_cast<std::uint32_t>(meshes_.size());
    ranks_kept_ += mesh.ranks.size();
    meshes_.push_back(std::move(mesh));
    by_hash_.emplace(hash, number);
    return number;
}

std::uint32_t MeshReader::last_dims(std::uint32_t number, std::size_t dims) {
    const Mesh& whole = meshes_.at(number);
    const auto found = std::ranges::find(whole.ranks, rank_);
    if (found == whole.ranks.end()) throw Error(fmt::format("its mesh {} is without its rank", to_string(whole.shape)));
    Mesh part;
    for (std::size_t i = whole.shape.rank() - dims; i < whole.shape.rank(); ++i) {
        part.shape.push_back(whole.shape[i]);
        if (!whole.dim_names.empty()) part.dim_names.push_back(whole.dim_names[i]);
    }
    const auto size = static_cast<std::ptrdiff_t>(part.shape.numel());
    const auto begin = whole.ranks.begin() + (found - whole.ranks.begin()) / size * size;
    part.ranks.assign(begin, begin + size);
    return number_of(std::move(part));
}

}  // namespace unshard::torch
