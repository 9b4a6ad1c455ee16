#include "geometry/boxes.hpp"

#include <functional>
#include <iterator>
#include <map>
#include <numeric>
#include <queue>
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

std::size_t sweep_axis(const std::vector<Box>& boxes) {
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

namespace {

using Pair = std::pair<std::size_t, std::size_t>;

/// How many pairs of boxes are compared before a tensor is refused as too complex: about a second's worth.
constexpr std::uint64_t kMostPairs = std::uint64_t{1} << 26;

std::uint64_t end_of(const Box& box, std::size_t axis) {
    return box.origin[axis] + box.extent[axis];
}

/// In two dimensions: of the boxes that a sweep line crosses, each is compared with its two neighbours only, since
/// disjoint ones are disjoint on the other axis.
std::optional<Pair> overlap_in_plane(const std::vector<Box>& boxes, const std::vector<std::size_t>& order,
                                     std::size_t axis) {
    const std::size_t other = 1 - axis;
    std::map<std::uint64_t, std::size_t> open;  // by origin on `other`
    std::priority_queue<std::pair<std::uint64_t, std::size_t>, std::vector<std::pair<std::uint64_t, std::size_t>>,
                        std::greater<>>
        ends;
    for (const std::size_t i : order) {
        const Box& box = boxes[i];
        if (box.extent.numel() == 0) continue;
        for (; !ends.empty() && ends.top().first <= box.origin[axis]; ends.pop()) {
            open.erase(boxes[ends.top().second].origin[other]);
        }
        const auto above = open.lower_bound(box.origin[other]);
        if (above != open.end() && above->first < end_of(box, other)) return std::minmax(above->second, i);
        if (above != open.begin()) {
            const std::size_t below = std::prev(above)->second;
            if (end_of(boxes[below], other) > box.origin[other]) return std::minmax(below, i);
        }
        open.emplace(box.origin[other], i);
        ends.emplace(end_of(box, axis), i);
    }
    return std::nullopt;
}

std::optional<Pair> overlap_in_space(const std::vector<Box>& boxes, const std::vector<std::size_t>& order,
                                     std::size_t axis) {
    std::uint64_t pairs = 0;
    std::vector<std::size_t> open;
    for (const std::size_t i : order) {
        std::erase_if(open, [&](std::size_t o) { return end_of(boxes[o], axis) <= boxes[i].origin[axis]; });
        pairs += open.size();
        if (pairs > kMostPairs) throw Error("its pieces lie across each other in too many places to be checked");
        for (const std::size_t o : open) {
            if (intersection(boxes[o], boxes[i])) return std::minmax(o, i);
        }
        open.push_back(i);
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::pair<std::size_t, std::size_t>> find_overlap(const std::vector<Box>& boxes) {
    if (boxes.size() < 2) return std::nullopt;
    if (boxes.front().origin.empty()) return Pair{0, 1};  // scalars
    const std::size_t axis = sweep_axis(boxes);
    std::vector<std::size_t> order(boxes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
        return std::pair(boxes[a].origin[axis], a) < std::pair(boxes[b].origin[axis], b);
    });
    const bool is_plane = boxes.front().origin.rank() == 2;
    return is_plane ? overlap_in_plane(boxes, order, axis) : overlap_in_space(boxes, order, axis);
}

}  // namespace unshard
