// The reader of FSDP rank files, through the real loader.

#include "plugins/readers/fsdp/rank_checkpoint.hpp"

using namespace unshard;
using namespace unshard::test;

TEST_CASE("rank files become shards in rank order, numbers as numbers") {
    Checkpoint checkpoint;
    for (std::uint64_t r = 0; r < 12; ++r) checkpoint.rank(12, r, plain_file());
    const CheckpointIndex index = checkpoint.index();
    CHECK(index.format == "FSDP, 12 ranks");
    CHECK(index.ranks == 12);
    CHECK(index.tensors.size() == 1);
    for (std::uint32_t r = 0; r < 12; ++r) {
        CHECK(index.tensors[0].shards.at(r).rank == r);
        CHECK(index.tensors[0].shards.at(r).file == r);
        CHECK(index.files.at(r).path.ends_with("_rank_" + std::to_string(r) + ".pt"));
        CHECK(index.files.at(r).bytes == plain_file().size());
    }
}

TEST_CASE("fsdp_config.json must agree with the file names") {
    Checkpoint checkpoint;
    checkpoint.ranks({plain_file(), plain_file()});
    checkpoint.file("fsdp_config.json", R"({"FSDP_version": 2, "world_size": 2})");
    CHECK(checkpoint.index().ranks == 2);
    checkpoint.file("fsdp_config.json", R"({"FSDP_version": 2, "world_size": 4})");
    CHECK(checkpoint.error() ==
          "DIR/fsdp_config.json: states a world size of 4, the rank files are named for 2: rank files "
          "of different runs are mixed");
}

TEST_CASE("a broken rank file is named") {
    Checkpoint checkpoint;
    checkpoint.ranks({plain_file(), plain_file().substr(0, 200)});
    CHECK(checkpoint.error() ==
          "DIR/model_world_size_2_rank_1.pt: truncated: a zip of 200 bytes without its directory, which "
          "PyTorch writes last: copy or save the file again");
}

TEST_CASE("meshes that ranks share are one in the index") {
    Checkpoint checkpoint;
    checkpoint.ranks({placed_file({0, 1}), placed_file({0, 1})});
    const CheckpointIndex index = checkpoint.index();
    CHECK(index.meshes == std::vector<Mesh>{{{2}, {}, {0, 1}}});
    CHECK(index.tensors.at(0).shape == Dims{8, 2});
    CHECK(index.tensors.at(0).shards.at(1).spec->mesh == 0);
}

TEST_CASE("a plain tensor can be on some ranks only, as in pipeline parallelism: mergers check that") {
    Checkpoint checkpoint;
    checkpoint.ranks({plain_file("a"), plain_file("b"), plain_file("a")});
    const CheckpointIndex index = checkpoint.index();
    REQUIRE(index.tensors.size() == 2);
    CHECK(index.tensors[0].shards.size() == 2);
    CHECK(index.tensors[0].shards[1].rank == 2);
}

TEST_CASE("a placed tensor must be on all ranks of its mesh, and only on those") {
    Checkpoint part_of_run;
    part_of_run.ranks({placed_file({0, 1}), placed_file({0, 1}), plain_file("w")});
    CHECK(part_of_run.error().starts_with("'w': the whole shape is (8, 2) on rank 0 and not stated on rank 2"));
    Checkpoint pipeline;
    pipeline.ranks(
        {placed_file({0}),
         torch_file(state_dict({{"v", dtensor(floats("0", {1}), {1}, mesh_by_tensor("1", {1}), {shard_placement(0)})}}),
                    {"1234", int32_bytes({1})})});
    CHECK(pipeline.index().tensors.size() == 2);
    Checkpoint incomplete;
    incomplete.ranks({placed_file({0, 1}), plain_file("v")});
    CHECK(incomplete.error().starts_with("'w': missing in the file of rank 1, present in that of rank 0"));
}

TEST_CASE("replicas on meshes of their own are legal") {
    Checkpoint checkpoint;
    checkpoint.ranks({placed_file({0, 2}), placed_file({1, 3}), placed_file({0, 2}), placed_file({1, 3})});
    CHECK(checkpoint.index().meshes.size() == 2);
}

TEST_CASE("ranks that disagree on mesh or placements are named") {
    const std::string cure = ": rank files of different runs are mixed";
    Checkpoint meshes;
    meshes.ranks({placed_file({0, 1}), placed_file({1, 0})});
    CHECK(meshes.error() == "'w': ranks 0 and 1 disagree on its mesh" + cure);
    Checkpoint placements;
    placements.ranks({placed_file({0, 1}), placed_file({0, 1}, shard_placement(1))});
    CHECK(placements.error() == "'w': ranks 0 and 1 disagree on its placements" + cure);
    Checkpoint outside;
    outside.ranks({placed_file({0, 5})});
    CHECK(outside.error() == "'w': its mesh has rank 5, the last file is that of rank 0" + cure);
}

TEST_CASE("ranks that disagree on dtype or shape are named with both") {
    const auto halves = file_of(strided(storage("HalfStorage", "0", 1), 0, {1}, {1}), {"12"});
    Checkpoint dtypes;
    dtypes.ranks({plain_file(), halves});
    CHECK(dtypes.error() ==
          "'w': the dtype is f32 on rank 0 and f16 on rank 1: rank files of different runs are mixed");
    const auto other_shape =
        file_of(dtensor(floats("0", {4, 2}), {9, 2}, mesh_by_tensor("1", {2}), {shard_placement(0)}),
                {std::string(32, 'x'), int32_bytes({0, 1})});
    Checkpoint shapes;
    shapes.ranks({placed_file({0, 1}), other_shape});
    CHECK(shapes.error() ==
          "'w': the whole shape is (8, 2) on rank 0 and (9, 2) on rank 1: rank files of different runs are mixed");
}

TEST_CASE("what every rank leaves out is listed once") {
    Checkpoint checkpoint;
    const std::string file = torch_file(state_dict({{"w", floats("0", {1})}, {"step", pickle::integer(1)}}), {"1234"});
    checkpoint.ranks({file, file});
    CHECK(checkpoint.index().dropped.size() == 1);
}

TEST_CASE("the options opaque and root reach the files, others are refused") {
    Checkpoint checkpoint;
    const pickle::Code inner = state_dict({{"w", floats("0", {1})}, {"c", pickle::object("my.Config")}});
    checkpoint.ranks({torch_file(pickle::dict({{"model", inner}}), {"1234"})});
    CHECK(checkpoint.index({{"root", "model"}, {"opaque", {"my.Config"}}}).tensors.at(0).name == "w");
    CHECK(checkpoint.error({{"root", "model"}}).find("leave it out with --opaque my.Config") != std::string::npos);
    CHECK(checkpoint.error({{"roots", "model"}}) ==
          "unknown option 'roots': known are files, opaque, root, split_order");
}

TEST_CASE("the model in rank files of a training state is found, in the same place on all ranks") {
    const auto file = [](const std::string& key) {
        const pickle::Code optimizer =
            pickle::dict({{"state", pickle::dict({{"w", floats("0", {1})}})}, {"param_groups", pickle::list({})}});
        return torch_file(pickle::dict({{key, state_dict({{"w", floats("0", {1})}})}, {"optimizer", optimizer}}),
                          {"1234"});
    };
    Checkpoint same, mixed;
    same.ranks({file("model"), file("model")});
    CHECK(same.index().tensors.at(0).shards.size() == 2);
    mixed.ranks({file("model"), file("ema")});
    CHECK(mixed.error() ==
          "the model is in 'model' of the file of rank 0 and in 'ema' of that of rank 1: rank files of different runs "
          "are "
          "mixed, or name the part to convert with --set input.root=");
}
