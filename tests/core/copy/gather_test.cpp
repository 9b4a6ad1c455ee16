#include "copy/gather.hpp"

#include "support/catch.hpp"
#include "support/temp_dir.hpp"

#include <cstring>
#include <numeric>

using namespace unshard;
using namespace unshard::test;

namespace {

/// A file of the 16-bit numbers 0, 1, 2, ...
OpenStorage numbers(const TempDir& dir, std::uint16_t count) {
    std::vector<std::uint16_t> values(count);
    std::iota(values.begin(), values.end(), std::uint16_t{0});
    write_file(dir / "numbers", {reinterpret_cast<const char*>(values.data()), values.size() * 2});
    return {std::make_shared<const InputFile>(dir / "numbers"), 0, nullptr};
}

std::vector<std::uint16_t> gathered(const OpenStorage& storage, const Walk& walk, std::uint64_t span_bytes) {
    std::vector<std::uint16_t> tile(walk.count());
    Gatherer(span_bytes).gather(storage, walk, 2, reinterpret_cast<std::byte*>(tile.data()));
    return tile;
}

Walk walk_from(std::uint64_t source, std::initializer_list<Loop> loops) {
    Walk walk;
    walk.source = source;
    for (const Loop& l : loops) walk.push(l);
    return walk;
}

}  // namespace

TEST_CASE("neighbouring loops that make one are joined, loops of one step left out") {
    REQUIRE(walk_from(0, {{2, 12, 12}, {1, 99, 99}, {4, 3, 3}, {3, 1, 1}}).depth == 1);
    REQUIRE(walk_from(0, {{2, 24, 12}, {4, 3, 3}, {3, 1, 1}}).depth == 2);
    REQUIRE(walk_from(0, {{1, 5, 5}}).depth == 0);
}

TEST_CASE("a walk gives the same elements however much is read at once") {
    const TempDir dir;
    const OpenStorage file = numbers(dir, 1000);
    const Walk transposed = walk_from(7, {{3, 1, 4}, {4, 200, 1}});
    for (const std::uint64_t span_bytes : {1U, 2U, 100U, 900U, 100000U}) {
        REQUIRE(gathered(file, transposed, span_bytes) ==
                std::vector<std::uint16_t>{7, 207, 407, 607, 8, 208, 408, 608, 9, 209, 409, 609});
    }
    REQUIRE(gathered(file, walk_from(5, {{3, 0, 1}}), 1) == std::vector<std::uint16_t>{5, 5, 5});
    REQUIRE(gathered(file, walk_from(5, {}), 1) == std::vector<std::uint16_t>{5});
}

TEST_CASE("a walk past the end of a file is an error") {
    const TempDir dir;
    const OpenStorage file = numbers(dir, 10);
    REQUIRE_THROWS_AS(gathered(file, walk_from(8, {{3, 1, 1}}), 100), Error);
    REQUIRE_THROWS_AS(gathered(file, walk_from(0, {{3, 5, 1}}), 100), Error);
}

TEST_CASE("the copies that meet a range are found, and none that ended before or begin behind") {
    std::vector<Copy> copies(100);
    for (std::uint64_t i = 0; i < 100; ++i) copies[i].box = {{i * 2, 0}, {2, 10}};
    const CopyFinder finder(copies, {200, 10});
    const std::span<const Copy> found = finder.in_range(1999, 2);
    REQUIRE(found.size() == 1);
    REQUIRE(found.front().box.origin == Dims{198, 0});
    REQUIRE(finder.in_range(35, 6).size() == 2);
    REQUIRE(finder.in_range(20, 20).size() == 1);
}
