#include "copy/boxes.hpp"

#include <numeric>
#include <utility>

namespace unshard {

std::uint64_t position_of(const Dims& point, const Dims& strides) {
    return std::inner_product(point.begin(), point.end(), strides.begin(), std::uint64_t{0});
}

std::optional<Box> intersection(const Box& a, const Box& b) {
    Box common = a;
    for (std::size_t i = 0; i < a.origin.rank(); ++i) {
        const std::uint64_t begin = std::max(a.origin[i], b.origin[i]);
        const std::uint64_t end = std::min(a.origin[i] + a.extent[i], b.origin[i] + b.extent[i]);
        if (begin >= end) return std::nullopt;
        common.origin[i] = begin;
        common.extent[i] = end - begin;
    }
    return common;
}

namespace {

/// The largest box that begins at `first`, is contiguous and has at most `count` elements.
Box leading_box(const Dims& dims, const Dims& strides, std::uint64_t first, std::uint64_t count) {
    std::size_t axis = 0;
    while (axis + 1 < dims.rank() && (first % strides[axis] != 0 || strides[axis] > count)) ++axis;
    Box box{Dims::filled(dims.rank(), 0), dims};
    for (std::size_t i = 0; i <= axis && i < dims.rank(); ++i) {
        box.origin[i] = first / strides[i] % dims[i];
        box.extent[i] = 1;
    }
    if (!dims.empty()) box.extent[axis] = std::min(count / strides[axis], dims[axis] - box.origin[axis]);
    return box;
}

}  // namespace

std::vector<Box> boxes_of_range(const Dims& dims, std::uint64_t first, std::uint64_t count) {
    const Dims strides = contiguous_strides(dims);
    std::vector<Box> boxes;
    while (count > 0) {
        boxes.push_back(leading_box(dims, strides, first, count));
        const std::uint64_t taken = boxes.back().extent.numel();
        first += taken;
        count -= taken;
    }
    return boxes;
}

namespace {

std::size_t most_telling_axis(const std::vector<Box>& boxes) {
    std::size_t best_axis = 0;
    std::size_t best_count = 0;
    std::vector<std::uint64_t> origins(boxes.size());
    for (std::size_t axis = 0; axis < boxes.front().origin.rank(); ++axis) {
        for (std::size_t i = 0; i < boxes.size(); ++i) origins[i] = boxes[i].origin[axis];
        std::sort(origins.begin(), origins.end());
        const auto distinct = static_cast<std::size_t>(std::unique(origins.begin(), origins.end()) - origins.begin());
        if (distinct > best_count) {
            best_axis = axis;
            best_count = distinct;
        }
    }
    return best_axis;
}

}  // namespace

std::optional<std::pair<std::size_t, std::size_t>> find_overlap(const std::vector<Box>& boxes) {
    if (boxes.size() < 2) return std::nullopt;
    if (boxes.front().origin.empty()) return std::pair{std::size_t{0}, std::size_t{1}};  // scalars
    const std::size_t axis = most_telling_axis(boxes);
    std::vector<std::size_t> order(boxes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::pair(boxes[a].origin[axis], a) < std::pair(boxes[b].origin[axis], b);
    });
    std::vector<std::size_t> open;
    for (const std::size_t i : order) {
        std::erase_if(open, [&](std::size_t o) {
            return boxes[o].origin[axis] + boxes[o].extent[axis] <= boxes[i].origin[axis];
        });
        for (const std::size_t o : open) {
            if (intersection(boxes[o], boxes[i])) return std::minmax(o, i);
        }
        open.push_back(i);
    }
    return std::nullopt;
}

}  // namespace unshard
