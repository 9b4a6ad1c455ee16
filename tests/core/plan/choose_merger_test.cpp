#include "plan/choose_merger.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/index_builder.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

/// Two layers of one tensor, whole or a part of it on each rank.
IndexBuilder plain_model(std::uint32_t ranks) {
    IndexBuilder builder(ranks);
    for (const char* name : {"layers.0.w", "layers.1.w", "embed"}) {
        builder.tensor(name, std::nullopt);
        for (std::uint32_t rank = 0; rank < ranks; ++rank) builder.plain(rank, {3});
    }
    return builder;
}

std::string chosen(const CheckpointIndex& index, const std::string& wanted = "auto") {
    Pipeline::Merge merge;
    merge.merger = wanted;
    return choose_merger(merge, index);
}

}  // namespace

TEST_CASE("a merger that the pipeline names is taken") {
    CHECK(chosen(plain_model(2).index(), "concat") == "concat");
}

TEST_CASE("auto is placement where the checkpoint states something, or one rank saved all of it") {
    CHECK(chosen(plain_model(1).index()) == "placement");
    IndexBuilder with_origin = plain_model(2);
    with_origin.tensor("stated", Dims{6}).at(0, {3}, {0});
    CHECK(chosen(with_origin.index()) == "placement");
    IndexBuilder with_mesh = plain_model(2);
    const auto mesh = with_mesh.mesh({2}, {0, 1});
    with_mesh.tensor("placed", Dims{6}).placed(0, {3}, mesh, {{PlacementKind::shard, 0, 1}});
    CHECK(chosen(with_mesh.index()) == "placement");
}

TEST_CASE("rules for tensors that state how they are split are a mistake") {
    Pipeline::Merge merge;
    merge.rules = "llama";
    CHECK(error_of([&] { choose_merger(merge, plain_model(1).index()); }) ==
          "rules are for merger tensor_parallel, and these tensors state themselves how they are split (merger "
          "placement): leave --rules out, or pass --merger tensor_parallel");
}

TEST_CASE("a cause of other shapes is named only where the index points to it") {
    CHECK(cause_of_other_shapes(plain_model(2).index()) ==
          " (are these parts of a tensor-parallel model? pass --merger tensor_parallel)");
    CHECK(cause_of_other_shapes(plain_model(1).index()).empty());
    IndexBuilder open(1);
    open.tensor("w", std::nullopt).at(0, {3}, {0});
    CHECK(cause_of_other_shapes(open.index()) == " (are files of the last ranks missing?)");
}

TEST_CASE("auto is an error that lists the tensors where several ranks state nothing") {
    CHECK(error_of([] { chosen(plain_model(2).index()); }) ==
          "none of the 3 tensors says how 2 ranks split it: 'layers.{0,1}.w', 'embed'. Pass --merger tensor_parallel, "
          "with --rules for the model, when each rank has its part of them; --merger placement when each has a whole "
          "copy, which are then compared");
}
