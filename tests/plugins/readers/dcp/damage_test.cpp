// Whatever is missing, moved or of another checkpoint is named, never read.

#include "dcp_checkpoint.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

/// Tensor 'w' of shape (4) in two halves, in files of two ranks.
DcpCheckpoint& halves(DcpCheckpoint& checkpoint) {
    return checkpoint.tensor({"w"}, {4}, {{{0}, {2}, "__0_0.distcp"}, {{2}, {2}, "__1_0.distcp"}});
}

std::string safetensors(const std::string& header, const std::string& data) {
    return le(header.size(), 8) + header + data;
}

}  // namespace

TEST_CASE("dcp: a directory without metadata says what is missing") {
    DcpCheckpoint checkpoint;
    write_file(checkpoint.directory() / "__0_0.distcp", "");
    CHECK(checkpoint.error() ==
          "DIR: there is no '.metadata', which says what lies where: not a DCP checkpoint, or an incomplete copy");
    write_file(checkpoint.directory() / ".metadata.tmp", "");
    CHECK(checkpoint.error() ==
          "DIR: there is '.metadata.tmp' and no '.metadata', which is written last: the save did not finish");
}

TEST_CASE("dcp: metadata of a rank is missing, or there is metadata of two checkpoints") {
    DcpCheckpoint checkpoint;
    halves(checkpoint).write("__0.metadata");
    halves(checkpoint).write("__2.metadata");
    CHECK(checkpoint.error() == "DIR: '__1.metadata' is missing, '__2.metadata' is there: each rank's is needed");
    checkpoint.write();
    CHECK(checkpoint.error() ==
          "DIR: both '.metadata' and '__0.metadata': two checkpoints in one directory: take one of them away");
}

TEST_CASE("dcp: metadata that is none is refused") {
    DcpCheckpoint checkpoint;
    write_file(checkpoint.directory() / ".metadata", "<html>");
    CHECK(checkpoint.error() == "DIR/.metadata: not a pickle: it begins as a web page: fetch it again");
    write_file(checkpoint.directory() / ".metadata", pickle::file(pickle::dict({{"a", pickle::none()}})));
    CHECK(checkpoint.error() == "DIR/.metadata: it holds a dictionary, not the metadata of a checkpoint");
    write_file(checkpoint.directory() / ".metadata",
               pickle::file(pickle::object("torch.distributed.checkpoint.metadata.Metadata")));
    CHECK(checkpoint.error() ==
          "DIR/.metadata: an object of class 'torch.distributed.checkpoint.metadata.Metadata' has no attribute "
          "'state_dict_metadata': it is of a PyTorch release that is not known yet");
}

TEST_CASE("dcp: truncated metadata is refused wherever it ends") {
    DcpCheckpoint checkpoint;
    halves(checkpoint).write();
    const std::string whole = checkpoint.metadata();
    for (std::size_t bytes = 0; bytes < whole.size(); bytes += 7) {
        write_file(checkpoint.directory() / ".metadata", whole.substr(0, bytes));
        CHECK(checkpoint.error().starts_with("DIR/.metadata: "));
    }
}

TEST_CASE("dcp: classes that are not known do no harm where nothing is read") {
    DcpCheckpoint checkpoint;
    halves(checkpoint).more = {{"mcore_data", pickle::object("megatron.core.Data")}};
    checkpoint.write();
    CHECK(checkpoint.error().empty());
}

TEST_CASE("dcp: metadata that would run commands is refused") {
    DcpCheckpoint checkpoint;
    halves(checkpoint).more = {{"mcore_data", pickle::call("os.system", {pickle::text("touch /owned")})}};
    CHECK(
        checkpoint.write_and_fail().starts_with("DIR/.metadata: the pickle calls 'os.system', which Python would run"));
}

TEST_CASE("dcp: data files that are missing are listed") {
    DcpCheckpoint checkpoint;
    halves(checkpoint).write();
    std::filesystem::remove(checkpoint.directory() / "__1_0.distcp");
    CHECK(checkpoint.error() == "DIR: 1 of 2 files that hold the model are missing: '__1_0.distcp': copy them too");
}

TEST_CASE("dcp: a data file of the optimizer alone may be missing") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"model", "w"}, {4}).tensor({"optim", "state", "w"}, {4}, {{{0}, {4}, "__1_0.distcp"}}).write();
    std::filesystem::remove(checkpoint.directory() / "__1_0.distcp");
    CHECK(checkpoint.error().empty());
}

TEST_CASE("dcp: a data file that is too short is refused") {
    DcpCheckpoint checkpoint;
    halves(checkpoint).write();
    const std::string& file = checkpoint.data["__1_0.distcp"];
    std::filesystem::resize_file(checkpoint.directory() / "__1_0.distcp", file.size() - 1);
    CHECK(checkpoint.error() == "DIR: __1_0.distcp: 'w': it needs " + std::to_string(file.size()) +
                                    " bytes at 0, the file has " + std::to_string(file.size() - 1) +
                                    ": it is truncated or of another checkpoint");
}

TEST_CASE("dcp: files must lie inside the checkpoint") {
    for (const std::string name : {"../w", "/etc/passwd", "a/../../w", ""}) {
        DcpCheckpoint checkpoint;
        halves(checkpoint).places[1].file = name;
        CHECK(checkpoint.write_and_fail() ==
              "DIR/.metadata: 'w': the file '" + name + "' is outside the checkpoint's directory");
    }
}

TEST_CASE("dcp: each chunk has one place, and each place a chunk") {
    DcpCheckpoint lost, twice, stray;
    halves(lost).places.pop_back();
    CHECK(lost.write_and_fail() ==
          "DIR/.metadata: 'w': the chunk at (2) of shape (2) was not saved: the metadata says no place for it");
    halves(twice).places[1].origin = {0};
    CHECK(twice.write_and_fail() ==
          "DIR/.metadata: 'w': there are bytes for the chunk at (0) twice: the metadata is damaged");
    halves(stray).places[1].origin = {3};
    CHECK(stray.write_and_fail() ==
          "DIR/.metadata: 'w': there are bytes for a chunk at (3), and no such chunk: the metadata is damaged");
}

TEST_CASE("dcp: chunks lie inside their tensor and begin at different places") {
    DcpCheckpoint outside, other_rank, same;
    outside.tensor({"w"}, {4}, {{{0}, {2}}, {{3}, {2}}});
    CHECK(outside.write_and_fail() ==
          "DIR/.metadata: 'w': a chunk of shape (2) at (3) lies outside the tensor, (4): the metadata is damaged");
    other_rank.tensor({"w"}, {4}, {{{0, 0}, {2, 2}}});
    CHECK(
        other_rank.write_and_fail() ==
        "DIR/.metadata: 'w': a chunk of shape (2, 2) at (0, 0) lies outside the tensor, (4): the metadata is damaged");
    same.tensor({"w"}, {4}, {{{0}, {2}}, {{0}, {4}}});
    CHECK(same.write_and_fail() == "DIR/.metadata: 'w': two chunks begin at (0), (2) and (4): the metadata is damaged");
}

TEST_CASE("dcp: what is stored is what the metadata says") {
    DcpCheckpoint shape, dtype;
    halves(shape).data["__1_0.distcp"] = saved_floats({1, 2});
    shape.places[1].length = shape.data["__1_0.distcp"].size();
    CHECK(shape.write_and_fail() ==
          "DIR: __1_0.distcp: 'w': the metadata says f32 (2), stored is f32 (1, 2): files of different checkpoints are "
          "mixed");
    halves(dtype).data["__1_0.distcp"] = torch_file(strided(storage("IntStorage", "0", 2), 0, {2}, {1}), {"12345678"});
    dtype.places[1].length = dtype.data["__1_0.distcp"].size();
    CHECK(dtype.write_and_fail() ==
          "DIR: __1_0.distcp: 'w': the metadata says f32 (2), stored is i32 (2): files of different checkpoints are "
          "mixed");
}

TEST_CASE("dcp: a place that is shifted or resized is no archive") {
    const auto [shift, more] = GENERATE(values<std::pair<int, int>>({{1, -1}, {0, -1}, {-1, 0}, {0, 1}}));
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"a"}, {3}).tensor({"w"}, {4}).tensor({"z"}, {5});
    checkpoint.places[1].offset += static_cast<std::size_t>(shift);
    checkpoint.places[1].length += static_cast<std::size_t>(more);
    CHECK(checkpoint.write_and_fail().starts_with("DIR: __0_0.distcp: 'w': "));
}

TEST_CASE("dcp: two chunks do not share their bytes") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"v"}, {4}).tensor({"w"}, {4});
    checkpoint.places[1].offset = 0;
    CHECK(checkpoint.write_and_fail() ==
          "DIR: __0_0.distcp: 'v' and 'w' have chunks in the same bytes: the metadata is damaged");
}

TEST_CASE("dcp: ranks that disagree on a tensor are of different checkpoints") {
    DcpCheckpoint first, second;
    first.tensor({"w"}, {4}, {{{0}, {2}}}).write("__0.metadata");
    second.tensor({"w"}, {5}, {{{2}, {3}, "__1_0.distcp"}});
    write_file(first.directory() / "__1.metadata", second.metadata());
    CHECK(first.error() ==
          "DIR/__1.metadata: 'w': it is f32 (5) here, f32 (4) on a rank before: metadata of different checkpoints is "
          "mixed");
}

TEST_CASE("dcp: safetensors at the end of a data file are found by key") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"model", "w"}, {4}, {{{2}, {2}}, {{0}, {2}, "__1_0.distcp"}});
    const std::string header = R"({"__metadata__":{"DCP_SHARDING_INFO":"{\"model.w\": {\"saved_offsets\": [2]}}"},)"
                               R"("model.w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
    checkpoint.data["__0_0.distcp"] = "an object" + safetensors(header, "12345678");
    checkpoint.places[0].offset = 9;
    checkpoint.places[0].length = 8;
    checkpoint.write();
    const Shard shard = checkpoint.index().tensors[0].shards[0];
    CHECK(shard.offset == 9 + 8 + header.size());
    CHECK(shard.bytes == 8);
    CHECK(shard.spec->origin == Dims{2});
}

TEST_CASE("dcp: of two chunks of a tensor in one safetensors file only the last is there") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"w"}, {4}, {{{0}, {2}}, {{2}, {2}}});
    checkpoint.data["__0_0.distcp"] =
        safetensors(R"({"__metadata__":{"DCP_SHARDING_INFO":"{\"w\": {\"saved_offsets\": [2]}}"},)"
                    R"("w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                    "12345678");
    for (SavedPlace& place : checkpoint.places) place.offset = 0, place.length = 8;
    CHECK(checkpoint.write_and_fail() ==
          "DIR: __0_0.distcp: 'w': stored is the chunk at (2), the metadata says (0): PyTorch keeps only the last of "
          "several in a safetensors file");
}

TEST_CASE("dcp: a safetensors header without the tensor, or without its place, is refused") {
    const std::string header = GENERATE(as<std::string>(), R"({"v":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
                                        R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})");
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"w"}, {2});
    checkpoint.data["__0_0.distcp"] = safetensors(header, "12345678");
    checkpoint.places[0].length = 8;
    CHECK(checkpoint.write_and_fail() ==
          "DIR: __0_0.distcp: 'w': the metadata says that it is there, the safetensors header does not have it");
}
