// Two models in files, sharded differently.

#include "diff/compare.hpp"

#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/small_model.hpp"
#include "support/temp_dir.hpp"

#include <algorithm>
#include <numeric>

using namespace unshard;
using namespace unshard::test;

namespace {

Model model_of(const SmallModel& small) {
    small.write_files();
    Model model;
    model.index = small.index;
    model.plan = small.plan;
    return model;
}

std::vector<float> counting(std::size_t count) {
    std::vector<float> values(count);
    std::iota(values.begin(), values.end(), 0.0F);
    return values;
}

/// The same rows, cut after each of `cuts` rows.
std::vector<std::vector<float>> cut(const std::vector<float>& values, std::size_t columns,
                                    const std::vector<std::size_t>& cuts) {
    std::vector<std::vector<float>> parts;
    auto at = values.begin();
    for (const std::size_t rows : cuts) {
        parts.emplace_back(at, at + static_cast<std::ptrdiff_t>(rows * columns));
        at += static_cast<std::ptrdiff_t>(rows * columns);
    }
    parts.emplace_back(at, values.end());
    return parts;
}

}  // namespace

TEST_CASE("one tensor in different shards is equal, whatever the tiles") {
    const TempDir a_dir, b_dir;
    SmallModel a(3, a_dir.path()), b(2, b_dir.path());
    const std::vector<float> values = counting(70);
    a.add_rows("w", 7, cut(values, 7, {3, 4}));
    b.add_rows("w", 7, cut(values, 7, {9}));
    const Model model_a = model_of(a), model_b = model_of(b);
    for (const std::uint64_t tile_bytes : {4U, 36U, 100U, 1U << 20U}) {
        std::uint64_t done = 0;
        const auto result =
            compare(model_a, model_b, {{0, 0}}, {3, tile_bytes, false}, [&](std::uint64_t bytes) { done = bytes; });
        REQUIRE(result.size() == 1);
        CHECK(result[0].values == ValueDifference{});
        CHECK(done == 560);
        CHECK(done == bytes_to_compare(model_a, model_b, {{0, 0}}));
    }
}

TEST_CASE("the first difference of a tensor is the same for any tiles and threads") {
    const TempDir a_dir, b_dir;
    SmallModel a(1, a_dir.path()), b(2, b_dir.path());
    std::vector<float> values = counting(70);
    a.add_rows("other", 1, {{1}});
    a.add_rows("w", 7, {values});
    values[17] = 17.5F;
    values[55] = 50;
    b.add_rows("w", 7, cut(values, 7, {5}));
    const Model model_a = model_of(a), model_b = model_of(b);
    for (const std::uint64_t tile_bytes : {4U, 36U, 1U << 20U}) {
        const auto result = compare(model_a, model_b, {{1, 0}}, {4, tile_bytes, false}, {});
        CHECK(result[0].values == ValueDifference{2, 17, 5, 0});
        CHECK(result[0].first_values == "17 and 17.5");
    }
}

TEST_CASE("tensors without elements and scalars are compared too") {
    const TempDir a_dir, b_dir;
    SmallModel a(1, a_dir.path()), b(1, b_dir.path());
    for (SmallModel* model : {&a, &b}) {
        model->add_rows("empty", 4, {{}});
        model->add_replicated("one", {{model == &a ? 1.0F : 2.0F}});
        model->plan.tensors[1].shape = model->plan.tensors[1].view = {};
        model->plan.tensors[1].copies[0].box = {{}, {}};
        model->plan.tensors[1].copies[0].stride = {};
    }
    const auto result = compare(model_of(a), model_of(b), {{0, 0}, {1, 1}}, {}, {});
    CHECK(result[0].values == ValueDifference{});
    CHECK(result[1].values == ValueDifference{1, 0, 1, 0});
}

TEST_CASE("replicas that differ within one side are an error, as in a conversion") {
    const TempDir a_dir, b_dir;
    SmallModel a(2, a_dir.path()), b(1, b_dir.path());
    a.add_replicated("norm", {{1, 2}, {1, 3}});
    b.add_replicated("norm", {{1, 2}});
    CHECK(error_of([&] {
              compare(model_of(a), model_of(b), {{0, 0}}, {}, {});
          }).starts_with("norm: ranks 0 and 1 hold different values (first at element 1: 2 and 3)"));
}
