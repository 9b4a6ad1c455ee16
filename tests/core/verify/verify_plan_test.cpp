#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/small_model.hpp"
#include "verify/verify.hpp"

#include <chrono>

using namespace unshard;
using namespace unshard::test;

namespace {

/// Four ranks, `w` of four rows of three.
SmallModel four_ranks() {
    SmallModel model(4);
    model.add_rows("w", 3, {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {10, 11, 12}});
    return model;
}

template <class Change>
std::string verdict(Change change) {
    SmallModel model = four_ranks();
    change(model, model.plan.tensors[0]);
    return error_of([&] { verify_plan(model.index, model.plan); });
}

/// `w` as the sum of what all ranks hold.
void make_sum(PlannedTensor& tensor) {
    tensor.shape = tensor.view = {1, 3};
    tensor.is_sum = true;
    for (Copy& copy : tensor.copies) copy.box.origin = {0, 0};
}

}  // namespace

TEST_CASE("a plan that covers its tensors passes") {
    REQUIRE(verdict([](SmallModel&, PlannedTensor&) {}).empty());
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) { make_sum(t); }).empty());
}

TEST_CASE("a missing rank is reported with what is there") {
    REQUIRE(verdict([](SmallModel& m, PlannedTensor& t) {
                t.copies.pop_back();
                m.index.tensors[0].shards.pop_back();
            }) == "w: shards cover 9 of 12 elements (ranks 0-2 of 4 are here)");
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) { t.copies.clear(); }) ==
            "w: shards cover 0 of 12 elements (no rank of 4 is here)");
}

TEST_CASE("an overlap is reported with both ranks") {
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) { t.copies[2].box.origin[0] = 1; }) ==
            "w: rank 1 holds (1, 3) at (1, 0), rank 2 holds (1, 3) at (1, 0): they overlap");
}

TEST_CASE("copies name a shard, stay in the view and in the shard's storage") {
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) { t.copies[1].tensor = 7; }) ==
            "w: a copy is from tensor 7 of 1" + kMistake);
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) { t.copies[1].shard = 4; }) ==
            "w: a copy is from shard 4 of 4 of 'w'" + kMistake);
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) { t.copies[3].box.origin[0] = 4; }) ==
            "w: the piece of rank 3 is (1, 3) at (4, 0), outside (4, 3)");
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) { t.copies[3].first = 1; }) ==
            "w: the piece of rank 3: 16 bytes of storage are needed, there are 12");
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) { t.copies[3].stride = {1}; }) ==
            "w: the piece of rank 3: has strides (1) for a shape (1, 3)" + kMistake);
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) {
                t.replicas = {t.copies[0]};
                t.replicas[0].first = 1;
            }) == "w: the piece of rank 0: 16 bytes of storage are needed, there are 12");
}

TEST_CASE("types and views fit") {
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) { t.dtype = DType::i32; }) == "w: is i32, 'w' on rank 0 is f32");
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) { t.shape = {4, 4}; }) ==
            "w: merged through the view (4, 3), its shape is (4, 4)");
}

TEST_CASE("a sum has floating-point terms, each once and everywhere") {
    const auto sum = [](auto change) {
        return verdict([&](SmallModel& m, PlannedTensor& t) {
            make_sum(t);
            change(m, t);
        });
    };
    REQUIRE(sum([](SmallModel&, PlannedTensor& t) { t.copies[1] = t.copies[0]; }) ==
            "w: the piece (1, 3) at (0, 0) is added twice from one shard");
    REQUIRE(sum([](SmallModel& m, PlannedTensor& t) { t.dtype = m.index.tensors[0].dtype = DType::i32; }) ==
            "w: is a sum, of type i32");
    REQUIRE(sum([](SmallModel&, PlannedTensor& t) { t.replicas = {t.copies[0]}; }) ==
            "w: is a sum with replicas: they cannot be compared");
    REQUIRE(sum([](SmallModel&, PlannedTensor& t) { t.divisor = 0; }) == "w: is divided by 0");
    REQUIRE(verdict([](SmallModel&, PlannedTensor& t) { t.divisor = 2; }) == "w: is no sum, and divided by 2");
}

TEST_CASE("a sum is covered with the same number of terms everywhere") {
    const std::string text = verdict([](SmallModel&, PlannedTensor& t) {
        t.is_sum = true;
        t.shape = t.view = {3, 3};
        t.copies[3].box.origin[0] = 0;
    });
    REQUIRE(text == "w: is a sum of 2 terms in one place and of 1 in another");
}

TEST_CASE("thousands of pieces in two dimensions are verified at once") {
    SmallModel model(1);
    model.add_rows("w", 1, {{1}});
    PlannedTensor& tensor = model.plan.tensors[0];
    const Copy copy = tensor.copies[0];
    tensor.copies.clear();
    tensor.shape = tensor.view = {100, 100};
    for (std::uint64_t i = 0; i < 10000; ++i) {
        tensor.copies.push_back(copy);
        tensor.copies.back().box.origin = {i % 100, i / 100};
    }
    const auto begin = std::chrono::steady_clock::now();
    verify_plan(model.index, model.plan);
    REQUIRE(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
    tensor.copies[5000].box.origin = {0, 49};
    REQUIRE(error_of([&] { verify_plan(model.index, model.plan); }) ==
            "w: rank 0 holds (1, 1) at (0, 49), rank 0 holds (1, 1) at (0, 49): they overlap");
}
