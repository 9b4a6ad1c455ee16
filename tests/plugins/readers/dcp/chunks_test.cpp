// Chunks become shards, wherever they lie.

#include "dcp_checkpoint.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

TEST_CASE("dcp: chunks become shards with their boxes, in rank order") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"w"}, {4, 6},
                      {{{2, 3}, {2, 3}, "__3_0.distcp"},
                       {{0, 0}, {2, 3}, "__0_0.distcp"},
                       {{2, 0}, {2, 3}, "__1_0.distcp"},
                       {{0, 3}, {2, 3}, "__2_0.distcp"}});
    checkpoint.write();
    const CheckpointIndex index = checkpoint.index();
    REQUIRE(index.tensors.size() == 1);
    CHECK(index.format == "DCP, 4 ranks");
    CHECK(index.ranks == 4);
    CHECK(index.tensors[0].name == "w");
    CHECK(index.tensors[0].dtype == DType::f32);
    CHECK(index.tensors[0].shape == Dims{4, 6});
    CHECK(boxes_of(index.tensors[0]) ==
          std::vector<RankBox>{
              {0, {{0, 0}, {2, 3}}}, {1, {{2, 0}, {2, 3}}}, {2, {{0, 3}, {2, 3}}}, {3, {{2, 3}, {2, 3}}}});
}

TEST_CASE("dcp: a shard is the storage inside the chunk's archive") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"v"}, {3}).tensor({"w"}, {2, 5});
    checkpoint.write();
    const Shard shard = checkpoint.index().tensors[1].shards.at(0);
    const std::string& file = checkpoint.data["__0_0.distcp"];
    const std::size_t entry = file.find("archive/data/0", checkpoint.places[1].offset);
    CHECK(shard.offset == entry + std::string("archive/data/0").size());
    CHECK(shard.bytes == 40);
    CHECK(shard.spec->shape == Dims{2, 5});
    CHECK(shard.spec->stride == Dims{5, 1});
}

TEST_CASE("dcp: a chunk may be any view of its storage") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"w"}, {2, 3});
    std::string& file = checkpoint.data["__0_0.distcp"];
    file = torch_file(strided(storage("FloatStorage", "0", 9), 2, {2, 3}, {1, 2}), {std::string(36, 'x')});
    checkpoint.places[0].length = file.size();
    checkpoint.write();
    const Shard shard = checkpoint.index().tensors[0].shards.at(0);
    CHECK(shard.first == 2);
    CHECK(shard.spec->stride == Dims{1, 2});
}

TEST_CASE("dcp: a chunk that several ranks list is stored once") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"w"}, {4}, {{{0}, {2}}, {{2}, {2}}, {{0}, {2}}, {{2}, {2}}});
    checkpoint.places.resize(2);
    checkpoint.write();
    CHECK(boxes_of(checkpoint.index().tensors[0]) == std::vector<RankBox>{{0, {{0}, {2}}}, {0, {{2}, {2}}}});
}

TEST_CASE("dcp: empty chunks of short dimensions are left out, with or without a place") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"w"}, {2, 3}, {{{0, 0}, {2, 3}}, {{2, 0}, {0, 3}}});
    checkpoint.tensor({"v"}, {2, 3}, {{{0, 0}, {2, 3}}, {{2, 0}, {0, 3}}});
    checkpoint.places.pop_back();
    checkpoint.write();
    const CheckpointIndex index = checkpoint.index();
    REQUIRE(index.tensors.size() == 2);
    for (const SourceTensor& tensor : index.tensors) {
        CHECK(boxes_of(tensor) == std::vector<RankBox>{{0, {{0, 0}, {2, 3}}}});
    }
}

TEST_CASE("dcp: a tensor without elements keeps its chunk") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"w"}, {2}).tensor({"none"}, {0, 5});
    checkpoint.write();
    CHECK(boxes_of(checkpoint.index().tensors[1]) == std::vector<RankBox>{{0, {{0, 0}, {0, 5}}}});
}

TEST_CASE("dcp: the metadata of each rank is united, and replicas stay replicas") {
    const TempDir other;
    DcpCheckpoint first, second;
    first.tensor({"w"}, {4}, {{{0}, {2}, "__0_0.distcp"}}).tensor({"norm"}, {3}).object({"step"});
    second.tensor({"w"}, {4}, {{{2}, {2}, "__1_0.distcp"}}).tensor({"norm"}, {3}, {{{0}, {3}, "__1_0.distcp"}});
    first.write("__0.metadata");
    write_file(first.directory() / "__1.metadata", second.metadata());
    write_file(first.directory() / "__1_0.distcp", second.data["__1_0.distcp"]);
    const CheckpointIndex index = first.index();
    CHECK(boxes_of(index.tensors[0]) == std::vector<RankBox>{{0, {{0}, {2}}}, {1, {{2}, {2}}}});
    CHECK(boxes_of(index.tensors[1]) == std::vector<RankBox>{{0, {{0}, {3}}}, {1, {{0}, {3}}}});
    CHECK(index.ranks == 2);
}

TEST_CASE("dcp: files may have prefixes and lie in directories below") {
    DcpCheckpoint checkpoint;
    std::filesystem::create_directory(checkpoint.directory() / "data");
    checkpoint.tensor({"w"}, {2}, {{{0}, {2}, "data/group__12_0.distcp"}});
    checkpoint.tensor({"v"}, {2}, {{{0}, {2}, "anything"}});
    checkpoint.write();
    const CheckpointIndex index = checkpoint.index();
    CHECK(index.tensors[0].shards[0].rank == 12);
    CHECK(index.tensors[1].shards[0].rank == 0);
    CHECK(index.files[0].path == checkpoint.directory() / "data/group__12_0.distcp");
}

TEST_CASE("dcp: more chunks than a thread takes at once, in two files") {
    DcpCheckpoint checkpoint;
    for (int i = 0; i < 150; ++i) {
        checkpoint.tensor({"w" + std::to_string(i)}, {1 + i % 7, 2},
                          {{{0, 0}, {1 + i % 7, 1}, "__0_0.distcp"}, {{0, 1}, {1 + i % 7, 1}, "__1_0.distcp"}});
    }
    checkpoint.write();
    const CheckpointIndex index = checkpoint.index();
    REQUIRE(index.tensors.size() == 150);
    for (std::uint64_t i = 0; i < 150; ++i) {
        const Dims half = {1 + i % 7, 1};
        CHECK(boxes_of(index.tensors[i]) == std::vector<RankBox>{{0, {{0, 0}, half}}, {1, {{0, 1}, half}}});
    }
}

TEST_CASE("dcp: attributes that are not needed may be missing, or of any known class") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"w"}, {2});
    const auto path = pickle::call("pathlib._local.PosixPath", {pickle::text("/"), pickle::text("ckpt")});
    checkpoint.more = {{"storage_meta", pickle::built("torch.distributed.checkpoint.metadata.StorageMeta",
                                                      {{"checkpoint_id", path}, {"modules", pickle::list({})}})},
                       {"version", pickle::text("1.0.0")}};
    checkpoint.write();
    CHECK(names_of(checkpoint.index()) == std::vector<std::string>{"w"});
}

TEST_CASE("dcp: a directory is recognized by its metadata, less surely by its data files alone") {
    DcpCheckpoint checkpoint;
    CHECK(checkpoint.probe() == 0);
    checkpoint.tensor({"w"}, {2});
    write_file(checkpoint.directory() / "__0_0.distcp", "");
    CHECK(checkpoint.probe() == 50);
    checkpoint.write("__0.metadata");
    CHECK(checkpoint.probe() == 90);
    std::filesystem::remove(checkpoint.directory() / "__0.metadata");
    checkpoint.write();
    CHECK(checkpoint.probe() == 90);
}
