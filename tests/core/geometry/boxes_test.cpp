#include "geometry/boxes.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"

#include <random>

using namespace unshard;
using namespace unshard::test;

namespace {

/// Columns of a triangle: while a line goes down the rows, all that began above it are open.
std::vector<Box> staircase(std::uint64_t steps, bool is_turned) {
    std::vector<Box> boxes;
    for (std::uint64_t i = 0; i < steps; ++i) {
        Box box{{i, i}, {steps - i, 1}};
        if (is_turned) {
            std::swap(box.origin[0], box.origin[1]);
            std::swap(box.extent[0], box.extent[1]);
        }
        boxes.push_back(box);
    }
    return boxes;
}

}  // namespace

TEST_CASE("a staircase of very many boxes is checked in little time") {
    const bool is_turned = GENERATE(false, true);
    std::vector<Box> boxes = staircase(200'000, is_turned);
    CHECK_FALSE(find_overlap(boxes));
    boxes.push_back({{150'000, 100'000}, {1, 2}});
    if (is_turned) boxes.back() = {{100'000, 150'000}, {2, 1}};
    REQUIRE(find_overlap(boxes));
    CHECK(find_overlap(boxes)->second == boxes.size() - 1);
}

TEST_CASE("overlaps are found where, and only where, each pair that is looked at alone has one") {
    std::mt19937 random(1);
    const auto pick = [&](std::uint64_t most) { return std::uniform_int_distribution<std::uint64_t>(0, most)(random); };
    for (int round = 0; round < 4000; ++round) {
        const std::size_t rank = 1 + pick(2);
        std::vector<Box> boxes(2 + pick(4));
        for (Box& box : boxes) {
            for (std::size_t axis = 0; axis < rank; ++axis) {
                box.origin.push_back(pick(7));
                box.extent.push_back(pick(3));
            }
        }
        bool expected = false;
        for (std::size_t i = 0; i < boxes.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) expected = expected || intersection(boxes[i], boxes[j]).has_value();
        }
        const auto found = find_overlap(boxes);
        REQUIRE(found.has_value() == expected);
        if (found) REQUIRE(intersection(boxes[found->first], boxes[found->second]));
    }
}

TEST_CASE("boxes of three dimensions that lie across each other without end are given up on") {
    std::vector<Box> boxes;
    for (std::uint64_t i = 0; i < 12'000; ++i) boxes.push_back({{i, i, 0}, {12'000 - i, 1, 1}});
    CHECK(error_of([&] { find_overlap(boxes); }) ==
          "its pieces lie across each other in too many places to be checked");
}
