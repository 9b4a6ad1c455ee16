// A merger may see a tensor through one view (e.g. as rows), a writer through another (heads x halves x rows of a
// head). Both views split the same row-major order of elements into axes. Their common refinement is the coarsest view
// whose axes make up those of both: (4, 6) and (2, 12) refine to (2, 2, 6). In it a box of the merger's view becomes a
// few boxes: a range of an axis that was split is a head, a middle of whole inner factors, and a tail. The part that is
// written is one box, whose axes are then put in the written order. The work for each copy is constant, however large
// the tensor is.

#include "geometry/lower.hpp"

#include "geometry/boxes.hpp"

#include <fmt/format.h>

#include <functional>
#include <numeric>
#include <tuple>

namespace unshard {
namespace {

[[noreturn]] void fail_in_writer(const std::string& what) {
    throw Error(what + ": this is a mistake in the writer, tell its author");
}

/// The axes of a view in terms of a refined shape: axis i is the refined axes [begin, end).
struct Factors {
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// The part of a tensor that is written, with as few axes as possible: axes that stay neighbours are joined.
struct Target {
    Dims view;                       ///< joined
    Box box;                         ///< in `view`
    std::vector<std::size_t> order;  ///< written axis -> axis of `view`
};

void check_placed(const Plan& plan, const Layout& layout, const Placed& placed) {
    if (placed.tensor >= plan.tensors.size()) fail_in_writer(fmt::format("a tensor {} is placed", placed.tensor));
    const PlannedTensor& tensor = plan.tensors[placed.tensor];
    if (placed.file >= layout.files.size()) {
        fail_in_writer(fmt::format("{}: placed in file {} of {}", tensor.name, placed.file, layout.files.size()));
    }
    if (placed.encoding >= layout.encodings.size()) {
        fail_in_writer(fmt::format("{}: encoding {} of {}", tensor.name, placed.encoding, layout.encodings.size()));
    }
    if (placed.view.numel() != tensor.shape.numel()) {
        fail_in_writer(fmt::format("{}: placed through the view {}, its shape is {}", tensor.name,
                                   to_string(placed.view), to_string(tensor.shape)));
    }
    if (!contains(placed.view, placed.box)) {
        fail_in_writer(fmt::format("{}: the box {} + {} is placed, its view is {}", tensor.name,
                                   to_string(placed.box.origin), to_string(placed.box.extent), to_string(placed.view)));
    }
    std::vector<std::uint32_t> axes = placed.axes;
    std::sort(axes.begin(), axes.end());
    for (std::size_t i = 0; i < axes.size(); ++i) {
        if (axes.size() == placed.view.rank() && axes[i] == i) continue;
        fail_in_writer(fmt::format("{}: the axis order ({}) of a view {} is no permutation", tensor.name,
                                   fmt::join(placed.axes, ", "), to_string(placed.view)));
    }
}

std::vector<std::uint32_t> written_axes(const Placed& placed) {
    if (!placed.axes.empty()) return placed.axes;
    std::vector<std::uint32_t> axes(placed.view.rank());
    std::iota(axes.begin(), axes.end(), 0U);
    return axes;
}

Target join_axes(const Placed& placed) {
    struct Joined {
        std::uint32_t first_axis;
        std::uint64_t size, origin, extent;
    };
    std::vector<Joined> written;
    std::uint32_t previous = 0;
    for (const std::uint32_t axis : written_axes(placed)) {
        const std::uint64_t size = placed.view[axis];
        const std::uint64_t extent = placed.box.extent[axis];
        if (!written.empty() && axis == previous + 1 && extent == size) {
            Joined& j = written.back();
            j = {j.first_axis, j.size * size, j.origin * size, j.extent * size};
        } else {
            written.push_back({axis, size, placed.box.origin[axis], extent});
        }
        previous = axis;
    }
    std::erase_if(written, [](const Joined& j) { return j.size == 1; });

    Target target;
    std::vector<std::size_t> in_view(written.size());
    std::iota(in_view.begin(), in_view.end(), std::size_t{0});
    std::sort(in_view.begin(), in_view.end(),
              [&](std::size_t a, std::size_t b) { return written[a].first_axis < written[b].first_axis; });
    target.order.resize(written.size());
    for (std::size_t i = 0; i < in_view.size(); ++i) {
        const Joined& j = written[in_view[i]];
        target.view.push_back(j.size);
        target.box.origin.push_back(j.origin);
        target.box.extent.push_back(j.extent);
        target.order[in_view[i]] = i;
    }
    return target;
}

/// The shape that cuts wherever `a` or `b` does. Both have the same number of elements, not 0.
Dims common_refinement(const Dims& a, const Dims& b) {
    std::vector<std::uint64_t> cuts = {1};
    for (const Dims* dims : {&a, &b}) {
        std::uint64_t inner = 1;
        for (std::size_t i = dims->rank(); i-- > 0;) cuts.push_back(inner *= (*dims)[i]);
    }
    std::sort(cuts.begin(), cuts.end(), std::greater<>());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    Dims refined;
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
        if (cuts[i] % cuts[i + 1] != 0) {
            throw Error(
                fmt::format("the merger's view {} and the view {} cut the tensor at places that do "
                            "not nest",
                            to_string(a), to_string(b)));
        }
        refined.push_back(cuts[i] / cuts[i + 1]);
    }
    return refined;
}

/// Which factors of `refined` make up each axis of `view`. Axes of size 1 have none.
std::vector<Factors> factors_of(const Dims& view, const Dims& refined) {
    std::vector<Factors> factors;
    std::size_t next = 0;
    for (const std::uint64_t size : view) {
        Factors f{next, next};
        for (std::uint64_t product = 1; product < size; ++f.end) product *= refined[f.end];
        factors.push_back(f);
        next = f.end;
    }
    return factors;
}

Dims slice(const Dims& dims, Factors f) {
    return Dims(std::span(dims.begin() + f.begin, f.end - f.begin));
}

void append(Dims& dims, const Dims& more) {
    for (const std::uint64_t v : more) dims.push_back(v);
}

/// A box of a view as boxes of the refined shape.
std::vector<Box> refine(const Box& box, const std::vector<Factors>& factors, const Dims& refined) {
    std::vector<Box> boxes(1);
    for (std::size_t axis = 0; axis < factors.size(); ++axis) {
        std::vector<Box> longer;
        for (const Box& part : boxes_of_range(slice(refined, factors[axis]), box.origin[axis], box.extent[axis])) {
            for (Box b : boxes) {
                append(b.origin, part.origin);
                append(b.extent, part.extent);
                longer.push_back(b);
            }
        }
        boxes = std::move(longer);
    }
    return boxes;
}

/// A copy's stride for each factor.
Dims refine_strides(const Dims& strides, const std::vector<Factors>& factors, const Dims& refined) {
    Dims result = Dims::filled(refined.rank(), 0);
    for (std::size_t axis = 0; axis < factors.size(); ++axis) {
        std::uint64_t stride = strides[axis];
        for (std::size_t f = factors[axis].end; f-- > factors[axis].begin;) {
            result[f] = stride;
            stride *= refined[f];  // may overflow, but only where no element needs the stride
        }
    }
    return result;
}

/// In row-major order; terms of a sum, which begin together, in the order of their shards, so that it does not vary.
bool begins_before(const Copy& a, const Copy& b) {
    if (a.box.origin == b.box.origin)
        return std::tie(a.tensor, a.shard, a.first) < std::tie(b.tensor, b.shard, b.first);
    return std::lexicographical_compare(a.box.origin.begin(), a.box.origin.end(), b.box.origin.begin(),
                                        b.box.origin.end());
}

/// Brings the boxes of a tensor's copies into the order of elements that one Placed asks for.
class Lowering {
public:
    Lowering(const PlannedTensor& tensor, const Placed& placed) {
        const Target target = join_axes(placed);
        refined_ = common_refinement(tensor.view, target.view);
        merged_ = factors_of(tensor.view, refined_);
        const std::vector<Factors> written = factors_of(target.view, refined_);
        const std::vector<Box> boxes = refine(target.box, written, refined_);
        if (boxes.size() != 1) {
            throw Error(fmt::format("the box {} + {} of the view {} is cut by the merger's view {}",
                                    to_string(placed.box.origin), to_string(placed.box.extent), to_string(placed.view),
                                    to_string(tensor.view)));
        }
        box_ = boxes.front();
        for (const std::size_t axis : target.order) {
            for (std::size_t f = written[axis].begin; f < written[axis].end; ++f) order_.push_back(f);
        }
    }

    Dims dims() const { return permuted(box_.extent); }

    std::vector<Copy> apply(const std::vector<Copy>& copies) const {
        std::vector<Copy> result;
        for (const Copy& copy : copies) add(result, copy);
        std::sort(result.begin(), result.end(), begins_before);
        return result;
    }

private:
    void add(std::vector<Copy>& result, const Copy& copy) const {
        const Dims strides = refine_strides(copy.stride, merged_, refined_);
        for (const Box& part : refine(copy.box, merged_, refined_)) {
            const std::optional<Box> kept = intersection(part, box_);
            if (!kept) continue;
            Copy lowered = copy;
            lowered.first = source_of(copy, kept->origin);
            lowered.stride = permuted(strides);
            lowered.box.origin = kept->origin;
            for (std::size_t i = 0; i < box_.origin.rank(); ++i) lowered.box.origin[i] -= box_.origin[i];
            lowered.box = {permuted(lowered.box.origin), permuted(kept->extent)};
            result.push_back(lowered);
        }
    }

    /// Where in the storage a point of the refined shape lies.
    std::uint64_t source_of(const Copy& copy, const Dims& point) const {
        std::uint64_t source = copy.first;
        for (std::size_t axis = 0; axis < merged_.size(); ++axis) {
            std::uint64_t index = 0;
            for (std::size_t f = merged_[axis].begin; f < merged_[axis].end; ++f)
                index = index * refined_[f] + point[f];
            source += (index - copy.box.origin[axis]) * copy.stride[axis];
        }
        return source;
    }

    Dims permuted(const Dims& dims) const {
        Dims result;
        for (const std::size_t f : order_) result.push_back(dims[f]);
        return result;
    }

    Dims refined_;
    std::vector<Factors> merged_;     ///< of the merger's view
    Box box_;                         ///< what is written, in refined_
    std::vector<std::size_t> order_;  ///< written axis -> axis of refined_
};

Destination lower_one(const PlannedTensor& tensor, const Placed& placed, const Encoding& encoding) {
    Destination destination;
    destination.tensor = placed.tensor;
    destination.file = placed.file;
    destination.offset = placed.offset;
    destination.encoding = encoding;
    destination.encoding_number = placed.encoding;
    destination.add = placed.add;
    if (!placed.view.empty()) destination.row_elems = placed.box.extent[written_axes(placed).back()];
    if (placed.box.extent.numel() == 0) {
        destination.dims = {0};
        return destination;
    }
    Lowered lowered = lower(tensor, placed);
    destination.dims = lowered.dims;
    destination.copies = std::move(lowered.copies);
    destination.replicas = std::move(lowered.replicas);
    return destination;
}

}  // namespace

Lowered lower(const PlannedTensor& tensor, const Placed& placed) {
    const Lowering lowering(tensor, placed);
    return {lowering.dims(), lowering.apply(tensor.copies), lowering.apply(tensor.replicas)};
}

std::vector<Destination> lower(const Plan& plan, const Layout& layout) {
    std::vector<Destination> destinations;
    destinations.reserve(layout.placed.size());
    for (const Placed& placed : layout.placed) {
        check_placed(plan, layout, placed);
        const PlannedTensor& tensor = plan.tensors[placed.tensor];
        try {
            destinations.push_back(lower_one(tensor, placed, layout.encodings[placed.encoding]));
        } catch (const Error& e) {
            throw Error(fmt::format("{}: {}", tensor.name, e.what()));
        }
    }
    return destinations;
}

}  // namespace unshard
