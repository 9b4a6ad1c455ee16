#include "copy/tiles.hpp"

#include "geometry/boxes.hpp"
#include "support/catch.hpp"
#include "text/quantity.hpp"
#include "text/ranks.hpp"

using namespace unshard;

namespace {

Destination destination(const Dims& dims, const Encoding& encoding) {
    Destination d;
    d.dims = dims;
    d.row_elems = dims.empty() ? 1 : dims.back();
    d.encoding = encoding;
    return d;
}

}  // namespace

TEST_CASE("tiles are whole planes, rows or elements, whatever fits") {
    const Destination d = destination({10, 7, 6}, encoding_of(DType::f32));
    REQUIRE(tile_elems(d, 4, 4000) == 840);  // capped by the tensor's own end, not here
    REQUIRE(tile_elems(d, 4, 4 * 100) == 84);
    REQUIRE(tile_elems(d, 4, 4 * 41) == 36);
    REQUIRE(tile_elems(d, 4, 4 * 5) == 5);
    REQUIRE(tile_elems(d, 4, 1) == 1);
    REQUIRE(tile_elems(destination({}, encoding_of(DType::f32)), 4, 1000) == 250);
}

TEST_CASE("tiles of block encodings are whole rows, or whole blocks of a long row") {
    const Destination d = destination({10, 96}, {"q8", 32, 34});
    REQUIRE(tile_elems(d, 4, 4 * 200) == 192);
    REQUIRE(tile_elems(d, 4, 4 * 95) == 64);
    REQUIRE(tile_elems(d, 4, 1) == 32);
}

TEST_CASE("tiles are found by number across destinations, empty ones among them") {
    Tiling tiling;
    tiling.append(10, 4);
    tiling.append(0, 4);
    tiling.append(3, 100);
    REQUIRE(tiling.size() == 4);
    REQUIRE(tiling[0] == Tile{0, 0, 4});
    REQUIRE(tiling[2] == Tile{0, 8, 2});
    REQUIRE(tiling[3] == Tile{2, 0, 3});
}

TEST_CASE("a range of an array is few boxes") {
    const auto boxes = boxes_of_range({4, 5, 6}, 7, 90);
    REQUIRE(boxes == std::vector<Box>{{{0, 1, 1}, {1, 1, 5}},
                                      {{0, 2, 0}, {1, 3, 6}},
                                      {{1, 0, 0}, {2, 5, 6}},
                                      {{3, 0, 0}, {1, 1, 6}},
                                      {{3, 1, 0}, {1, 1, 1}}});
    REQUIRE(boxes_of_range({}, 0, 1) == std::vector<Box>{Box{}});
    REQUIRE(boxes_of_range({3, 0}, 0, 0).empty());
}

TEST_CASE("numbers and ranks are written for people") {
    REQUIRE(grouped(0) == "0");
    REQUIRE(grouped(999) == "999");
    REQUIRE(grouped(1234567) == "1,234,567");
    REQUIRE(ranks_text({}) == "no rank");
    REQUIRE(ranks_text({3}) == "rank 3");
    REQUIRE(ranks_text({5, 1, 0, 2, 5, 7}) == "ranks 0-2, 5, 7");
}
