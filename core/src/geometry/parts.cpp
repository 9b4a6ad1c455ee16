#include "geometry/parts.hpp"

#include "geometry/lower.hpp"
#include "unshard/tools/checked.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {
namespace {

/// More layers or experts than any model has.
constexpr std::uint64_t kMostParts = 1 << 16;

PlannedTensor without_copies(const PlannedTensor& tensor, const Dims& shape) {
    return {tensor.name, tensor.dtype, shape, shape, {}, {}, tensor.replicas_stated, tensor.is_sum, tensor.divisor};
}

Dims with_first(std::uint64_t value, const Dims& dims) {
    Dims result{value};
    for (const std::uint64_t d : dims) result.push_back(d);
    return result;
}

Dims without_first(const Dims& dims) {
    return Dims(std::span(dims.begin() + 1, dims.end()));
}

/// Adds to each part the elements of its index.
void add_to_parts(std::vector<PlannedTensor>& parts, const std::vector<Copy>& copies,
                  std::vector<Copy> PlannedTensor::* list) {
    for (const Copy& copy : copies) {
        if (copy.box.extent.numel() == 0) continue;
        Copy part = copy;
        part.stride = without_first(copy.stride);
        part.box = {without_first(copy.box.origin), without_first(copy.box.extent)};
        for (std::uint64_t i = 0; i < copy.box.extent[0]; ++i) {
            part.first = copy.first + i * copy.stride[0];
            (parts[copy.box.origin[0] + i].*list).push_back(part);
        }
    }
}

void check_alike(const PlannedTensor& first, const PlannedTensor& other) {
    if (other.dtype != first.dtype) {
        throw Error(fmt::format("'{}' is {}, '{}' is {}: they cannot become one tensor", first.name,
                                to_string(first.dtype), other.name, to_string(other.dtype)));
    }
    if (other.is_sum != first.is_sum || other.divisor != first.divisor) {
        throw Error(fmt::format("'{}' and '{}' are not sums of the same kind: they cannot become one tensor",
                                first.name, other.name));
    }
}

void check_same(const PlannedTensor& first, const PlannedTensor& other, bool shapes_fit, bool views_fit) {
    if (!shapes_fit) {
        throw Error(fmt::format("the shape of '{}' is {}, that of '{}' is {}: they cannot become one tensor",
                                first.name, to_string(first.shape), other.name, to_string(other.shape)));
    }
    if (!views_fit) {
        throw Error(fmt::format("'{}' is merged through the view {}, '{}' through {}: they cannot become one tensor",
                                first.name, to_string(first.view), other.name, to_string(other.view)));
    }
}

bool agree_but_in(std::size_t axis, const Dims& a, const Dims& b) {
    if (axis >= a.rank() || a.rank() != b.rank()) return false;
    for (std::size_t i = 0; i < a.rank(); ++i) {
        if (i != axis && a[i] != b[i]) return false;
    }
    return true;
}

/// Whether a view has the axes before `axis` as the shape has them.
bool sees_before(std::size_t axis, const PlannedTensor& tensor) {
    return axis < tensor.view.rank() &&
           std::equal(tensor.shape.begin(), tensor.shape.begin() + axis, tensor.view.begin());
}

/// Adds the copies of a part to the whole; `move` brings one to its place there.
template <class Move>
void add_moved(PlannedTensor& whole, const PlannedTensor& part, const Move& move) {
    for (const auto list : {&PlannedTensor::copies, &PlannedTensor::replicas}) {
        for (Copy copy : part.*list) {
            move(copy);
            (whole.*list).push_back(copy);
        }
    }
    whole.replicas_stated = whole.replicas_stated && part.replicas_stated;
}

}  // namespace

PlannedTensor part_of(const PlannedTensor& tensor, const Placed& part, const Dims& shape) {
    if (part.view.numel() != tensor.shape.numel()) {
        throw Error(fmt::format("seen as {}, its shape is {}", to_string(part.view), to_string(tensor.shape)));
    }
    if (!contains(part.view, part.box)) {
        throw Error(fmt::format("the part from {} on of {} is taken, seen as {}", to_string(part.box.origin),
                                to_string(part.box.extent), to_string(part.view)));
    }
    if (part.box.extent.numel() != shape.numel()) {
        throw Error(fmt::format("{} is taken and called {}", to_string(part.box.extent), to_string(shape)));
    }
    PlannedTensor result = without_copies(tensor, shape);
    if (shape.numel() == 0) return result;
    Lowered lowered = lower(tensor, part);
    result.view = lowered.dims;
    result.copies = std::move(lowered.copies);
    result.replicas = std::move(lowered.replicas);
    return result;
}

PlannedTensor rows_of(const PlannedTensor& tensor, std::uint64_t first, std::uint64_t count) {
    Placed part;
    part.view = tensor.shape;
    part.box = Box::whole(tensor.shape);
    part.box.origin[0] = first;
    part.box.extent[0] = count;
    return part_of(tensor, part, part.box.extent);
}

std::vector<PlannedTensor> unstack(const PlannedTensor& tensor) {
    if (tensor.shape.empty()) throw Error("it has no dimension that could be taken apart");
    if (tensor.shape[0] > kMostParts) {
        throw Error(
            fmt::format("its shape is {}: at most {} tensors are made of one", to_string(tensor.shape), kMostParts));
    }
    const Dims shape = without_first(tensor.shape);
    std::vector<PlannedTensor> parts;
    const bool sees_first = !tensor.view.empty() && tensor.view[0] == tensor.shape[0];
    for (std::uint64_t i = 0; i < tensor.shape[0]; ++i) {
        if (sees_first) {
            parts.push_back(without_copies(tensor, shape));
            parts.back().view = without_first(tensor.view);
        } else {
            parts.push_back(rows_of(tensor, i, 1));
            parts.back().shape = shape;
        }
    }
    if (!sees_first) return parts;
    add_to_parts(parts, tensor.copies, &PlannedTensor::copies);
    add_to_parts(parts, tensor.replicas, &PlannedTensor::replicas);
    return parts;
}

PlannedTensor stack(std::span<const PlannedTensor> parts) {
    for (const PlannedTensor& part : parts) {
        check_alike(parts.front(), part);
        check_same(parts.front(), part, parts.front().shape == part.shape, parts.front().view == part.view);
    }
    PlannedTensor whole = without_copies(parts.front(), with_first(parts.size(), parts.front().shape));
    whole.view = with_first(parts.size(), parts.front().view);
    for (std::size_t i = 0; i < parts.size(); ++i) {
        add_moved(whole, parts[i], [i](Copy& copy) {
            copy.box = {with_first(i, copy.box.origin), with_first(1, copy.box.extent)};
            copy.stride = with_first(0, copy.stride);
        });
    }
    return whole;
}

PlannedTensor concatenate(std::span<const PlannedTensor> parts, std::size_t axis) {
    if (parts.size() == 1) return parts.front();
    PlannedTensor whole = without_copies(parts.front(), parts.front().shape);
    whole.view = parts.front().view;
    for (const PlannedTensor& part : parts) {
        check_alike(parts.front(), part);
        const bool views_fit = agree_but_in(axis, parts.front().view, part.view) && sees_before(axis, part);
        check_same(parts.front(), part, agree_but_in(axis, parts.front().shape, part.shape), views_fit);
    }
    whole.shape[axis] = whole.view[axis] = 0;
    for (const PlannedTensor& part : parts) {
        const std::uint64_t at = whole.view[axis];
        add_moved(whole, part, [at, axis](Copy& copy) { copy.box.origin[axis] += at; });
        whole.shape[axis] = checked_add(whole.shape[axis], part.shape[axis]);
        whole.view[axis] = checked_add(whole.view[axis], part.view[axis]);
    }
    return whole;
}

}  // namespace unshard
