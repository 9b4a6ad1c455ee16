#include "support/bundled_plugins.hpp"
#include "support/catch.hpp"
#include "support/index_builder.hpp"

using namespace unshard;
using unshard::test::IndexBuilder;

namespace {

Plan plan_of(const CheckpointIndex& index) {
    return test::bundled_plugins().merger("concat")->plan(index, {});
}

}  // namespace

TEST_CASE("concat puts shards behind each other in rank order") {
    IndexBuilder b(3);
    b.tensor("w", {}).plain(0, {2, 3}).plain(1, {0, 3}).plain(2, {1, 3});
    const PlannedTensor w = plan_of(b.index()).tensors.at(0);
    CHECK(w.shape == Dims{3, 3});
    REQUIRE(w.copies.size() == 2);
    CHECK(w.copies[0].box == Box{{0, 0}, {2, 3}});
    CHECK(w.copies[1].box == Box{{2, 0}, {1, 3}});
}

TEST_CASE("concat compares scalars, which cannot be split") {
    IndexBuilder b(2);
    b.tensor("step", {}).plain(0, {}).plain(1, {});
    const PlannedTensor step = plan_of(b.index()).tensors.at(0);
    CHECK(step.shape == Dims{});
    CHECK((step.copies.size() == 1 && step.replicas.size() == 1 && !step.replicas_stated));
}

TEST_CASE("concat refuses tensors that state another split") {
    IndexBuilder b(2);
    const auto mesh = b.mesh({2}, {0, 1});
    b.tensor("w", Dims{2, 4});
    for (std::uint32_t r = 0; r < 2; ++r) b.placed(r, {2, 2}, mesh, {{PlacementKind::shard, 1, 1}});
    CHECK_THROWS_WITH(plan_of(b.index()),
                      "'w': rank 0 states a place other than a share of dimension 0, concatenating would "
                      "scramble it: use merger 'placement'");
}

TEST_CASE("concat refuses a mesh in another order than the ranks'") {
    IndexBuilder b(2);
    const auto mesh = b.mesh({2}, {1, 0});
    b.tensor("w", Dims{4, 2});
    for (std::uint32_t r = 0; r < 2; ++r) b.placed(r, {2, 2}, mesh, {{PlacementKind::shard, 0, 1}});
    CHECK_THROWS_WITH(plan_of(b.index()),
                      "'w': rank 0 states a place other than a share of dimension 0, concatenating would "
                      "scramble it: use merger 'placement'");
}

TEST_CASE("concat refuses a rank that holds several pieces") {
    IndexBuilder b(2);
    b.tensor("w", {}).plain(0, {2, 3}).plain(1, {2, 3}).plain(1, {2, 3});
    CHECK_THROWS_WITH(plan_of(b.index()), "'w': a rank holds several pieces of it: use merger 'placement'");
}

TEST_CASE("concat takes the order of the ranks, whatever that of the reader") {
    IndexBuilder b(2);
    b.tensor("w", {}).plain(1, {3, 2}).plain(0, {1, 2});
    const PlannedTensor w = plan_of(b.index()).tensors.at(0);
    REQUIRE(w.copies.size() == 2);
    CHECK((w.copies[0].shard == 1 && w.copies[0].box == Box{{0, 0}, {1, 2}}));
    CHECK((w.copies[1].shard == 0 && w.copies[1].box == Box{{1, 0}, {3, 2}}));
}

TEST_CASE("concat refuses shards that differ in more than dimension 0") {
    IndexBuilder b(2);
    b.tensor("w", {}).plain(0, {2, 3}).plain(1, {2, 4});
    CHECK_THROWS_WITH(plan_of(b.index()),
                      "'w': rank 0 holds (2, 3), rank 1 holds (2, 4): they differ in more than dimension 0 "
                      "and cannot be concatenated");
}

TEST_CASE("concat refuses a tensor that some ranks lack") {
    IndexBuilder b(2);
    b.tensor("w", {}).plain(1, {2});
    CHECK_THROWS_WITH(plan_of(b.index()), "'w': is on 1 of 2 ranks: nothing says where it belongs");
}
