#include "geometry/lower.hpp"

#include "support/catch.hpp"
#include "support/error_text.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

/// A tensor of one dimension's elements in `view`, each in the storage where it is in the tensor.
PlannedTensor tensor_of(const Dims& view, const std::vector<Box>& boxes) {
    PlannedTensor tensor;
    tensor.name = "w";
    tensor.shape = tensor.view = view;
    for (const Box& box : boxes) {
        Copy copy;
        copy.stride = contiguous_strides(view);
        for (std::size_t i = 0; i < view.rank(); ++i) copy.first += box.origin[i] * copy.stride[i];
        copy.box = box;
        tensor.copies.push_back(copy);
    }
    return tensor;
}

Destination lowered(const PlannedTensor& tensor, const Placed& placed) {
    Plan plan;
    plan.tensors = {tensor};
    Layout layout;
    layout.encodings = {encoding_of(DType::f32)};
    layout.files = {{"f", 0}};
    layout.placed = {placed};
    return lower(plan, layout).front();
}

Placed placed(const Dims& view, const Box& box, const std::vector<std::uint32_t>& axes = {}) {
    Placed p;
    p.view = view;
    p.box = box;
    p.axes = axes;
    return p;
}

std::vector<Box> boxes(const Destination& d) {
    std::vector<Box> result;
    for (const Copy& copy : d.copies) result.push_back(copy.box);
    return result;
}

}  // namespace

TEST_CASE("a tensor that is written as it was merged keeps its boxes") {
    const std::vector<Box> halves = {{{2, 0}, {2, 6}}, {{0, 0}, {2, 6}}};
    const Destination d = lowered(tensor_of({4, 6}, halves), placed({4, 6}, Box::whole({4, 6})));
    REQUIRE(d.dims == Dims{4, 6});
    REQUIRE(boxes(d) == std::vector<Box>{halves[1], halves[0]});
    REQUIRE(d.row_elems == 6);
}

TEST_CASE("rows that end inside a head are a head, a middle and a tail of it") {
    // 16 rows as 4 heads of 2 halves of 2; the first shard ends in the middle of a half.
    const PlannedTensor tensor = tensor_of({16, 3}, {{{0, 0}, {7, 3}}, {{7, 0}, {9, 3}}});
    const Destination d = lowered(tensor, placed({4, 2, 2, 3}, Box::whole({4, 2, 2, 3}), {0, 2, 1, 3}));
    REQUIRE(d.dims == Dims{4, 2, 2, 3});
    REQUIRE(boxes(d) == std::vector<Box>{{{0, 0, 0, 0}, {1, 2, 2, 3}},
                                         {{1, 0, 0, 0}, {1, 2, 1, 3}},
                                         {{1, 0, 1, 0}, {1, 1, 1, 3}},
                                         {{1, 1, 1, 0}, {1, 1, 1, 3}},
                                         {{2, 0, 0, 0}, {2, 2, 2, 3}}});
    REQUIRE(d.copies[3].first == 7 * 3);
    REQUIRE(d.copies[3].stride == Dims{12, 3, 6, 1});
}

TEST_CASE("a part of a tensor takes the parts of the copies that meet it") {
    const PlannedTensor tensor = tensor_of({6, 4}, {{{0, 0}, {3, 4}}, {{3, 0}, {3, 4}}});
    const Destination d = lowered(tensor, placed({6, 4}, {{2, 1}, {3, 2}}));
    REQUIRE(d.dims == Dims{3, 2});
    REQUIRE(boxes(d) == std::vector<Box>{{{0, 0}, {1, 2}}, {{1, 0}, {2, 2}}});
    REQUIRE(d.copies[0].first == 2 * 4 + 1);
    REQUIRE(d.copies[1].first == 3 * 4 + 1);
}

TEST_CASE("a transposed tensor walks through its source with swapped strides") {
    const Destination d = lowered(tensor_of({2, 3}, {Box::whole({2, 3})}), placed({2, 3}, Box::whole({2, 3}), {1, 0}));
    REQUIRE(d.dims == Dims{3, 2});
    REQUIRE(d.copies[0].stride == Dims{1, 3});
    REQUIRE(d.row_elems == 2);
}

TEST_CASE("scalars and empty tensors have places too") {
    REQUIRE(lowered(tensor_of({}, {Box{}}), placed({}, Box{})).copies.size() == 1);
    REQUIRE(lowered(tensor_of({1, 1}, {Box::whole({1, 1})}), placed({}, Box{})).dims == Dims{});
    const Destination none = lowered(tensor_of({0, 3}, {}), placed({3, 0}, Box::whole({3, 0})));
    REQUIRE(none.dims == Dims{0});
    REQUIRE(none.copies.empty());
}

TEST_CASE("views that cut a tensor at different places are refused by name") {
    const PlannedTensor tensor = tensor_of({2, 3}, {Box::whole({2, 3})});
    REQUIRE(error_of([&] { lowered(tensor, placed({3, 2}, Box::whole({3, 2}), {1, 0})); }) ==
            "w: the merger's view (2, 3) and the view (3, 2) cut the tensor at places that do not nest");
    REQUIRE(error_of([&] { lowered(tensor, placed({6}, {{1}, {4}})); }) ==
            "w: the box (1) + (4) of the view (6) is cut by the merger's view (2, 3)");
    REQUIRE(lowered(tensor, placed({3, 2}, Box::whole({3, 2}))).dims == Dims{2, 3});
}
