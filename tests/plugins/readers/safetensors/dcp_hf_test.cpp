// What HuggingFaceStorageWriter shards.

#include "plugins/readers/dcp/golden.hpp"
#include "safetensors_directory.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

struct Sharded : SafetensorsDirectory {
    Sharded() : SafetensorsDirectory("dcp_hf") {}

    Sharded& shard(int rank, const std::vector<ByteTensor>& tensors, int file = 1, int files = 1) {
        this->file(name(rank, file, files), shard_file(tensors));
        return *this;
    }
    static std::string name(int rank, int file = 1, int files = 1) {
        return "shard-0000" + std::to_string(rank) + "-model-0000" + std::to_string(file) + "-of-0000" +
               std::to_string(files) + ".safetensors";
    }
};

}  // namespace

TEST_CASE("dcp_hf: pieces are shards of their rank, and the whole shape is open unless the user vouches for it") {
    Sharded directory;
    directory.shard(1, {{"w", {2, 3}, {0, 0}}, {"norm", {5}, {0}}}).shard(2, {{"w", {2, 3}, {2, 0}}});
    directory.shard(3, {{"w", {1, 3}, {4, 0}}});
    const CheckpointIndex index = directory.index();
    CHECK(index.format == "DCP in safetensors, 3 ranks");
    REQUIRE(index.tensors.size() == 2);
    CHECK_FALSE(index.tensors[0].shape);
    CHECK(directory.index("", {{"trust_shapes", true}}).tensors[0].shape == Dims{5, 3});
    REQUIRE(index.tensors[0].shards.size() == 3);
    const Shard& last = index.tensors[0].shards[2];
    CHECK(last.spec->origin == Dims{4, 0});
    CHECK(last.spec->shape == Dims{1, 3});
    CHECK(last.rank == 2);
    CHECK(last.file == 2);
}

TEST_CASE("dcp_hf: ranks write several files, and none of what they have no tensor of") {
    Sharded directory;
    directory.shard(1, {{"a", {2}, {0}}}, 1, 2).shard(1, {{"b", {1}, {0}}}, 2, 2).shard(2, {{"a", {2}, {2}}}, 1, 2);
    CHECK(directory.index().tensors.size() == 2);
    CHECK(directory.index().ranks == 2);
}

TEST_CASE("dcp_hf: a golden checkpoint gives back what was sharded") {
    CHECK(assembled(read_golden("dcp_hf", "dcp-hf-2ranks")) == golden_truth("dcp-hf-2ranks"));
}

TEST_CASE("dcp_hf: a shard that is missing is an error, unless that rank saved nothing") {
    Sharded directory;
    directory.shard(1, {{"w", {2}, {0}}}).shard(3, {{"w", {2}, {2}}});
    CHECK(directory.error() ==
          "DIR: no file 'shard-*-model-*' of shard 2, there are 3: copy it too, or, if that rank "
          "saved nothing, pass --set input.options.allow_gaps=true");
    CHECK(directory.index("", {{"allow_gaps", true}, {"trust_shapes", true}}).tensors[0].shape == Dims{4});
}

TEST_CASE("dcp_hf: files of two saves are not mixed") {
    Sharded directory;
    directory.shard(1, {{"w", {2}, {0}}}, 1, 1).shard(1, {{"w", {2}, {0}}}, 1, 2);
    CHECK(directory.error() == "DIR: files of a model of 1 and of one of 2 files: leave those of one save only");
}

TEST_CASE("dcp_hf: one number in names of different width is there twice") {
    Sharded directory;
    directory.shard(1, {{"w", {2}, {0}}}).file("shard-1-model-1-of-1.safetensors", shard_file({{"w", {2}, {0}}}));
    CHECK(directory.error().ends_with("is there twice, in names of different width"));
}

TEST_CASE("dcp_hf: a file must say where its tensors lie") {
    Sharded plain, other_rank, lacking;
    plain.file(Sharded::name(1), whole_file({{"w", {2}}}));
    CHECK(plain.error() ==
          "DIR/" + Sharded::name(1) + ": its header has no DCP_SHARDING_INFO: it is not a shard that PyTorch wrote");
    other_rank.shard(1, {{"w", {2}, {0, 0}}});
    CHECK(other_rank.error() == "DIR/" + Sharded::name(1) + ": 'w': its shape is (2), its saved_offsets are (0, 0)");
    lacking.file(Sharded::name(1), safetensors_bytes({{"w", {2}}}, {{"DCP_SHARDING_INFO", "{}"}}));
    CHECK(lacking.error() ==
          "DIR/" + Sharded::name(1) + ": 'w': DCP_SHARDING_INFO does not say where it lies in the whole");
}

TEST_CASE("dcp_hf: a note that is no such JSON is refused") {
    const auto [note, what] = GENERATE(values<std::pair<std::string, std::string>>({
        {"[", "DCP_SHARDING_INFO: not valid JSON at line 1 (byte 2 of 1)"},
        {"[]", "DCP_SHARDING_INFO is not a JSON object"},
        {R"({"w":[0]})", "DCP_SHARDING_INFO: 'w' has no list 'saved_offsets'"},
        {R"({"w":{"saved_offsets":0}})", "DCP_SHARDING_INFO: 'w' has no list 'saved_offsets'"},
        {R"({"w":{"saved_offsets":[-1]}})", "DCP_SHARDING_INFO: 'w' has an offset that is no count"},
        {R"({"w":{"saved_offsets":["0"]}})", "DCP_SHARDING_INFO: 'w' has an offset that is no count"},
    }));
    Sharded directory;
    directory.file(Sharded::name(1), safetensors_bytes({{"w", {2}}}, {{"DCP_SHARDING_INFO", note}}));
    CHECK(directory.error() == "DIR/" + Sharded::name(1) + ": " + what);
}

TEST_CASE("dcp_hf: pieces of one tensor have one dtype and one rank, and sizes that add up") {
    Sharded dtype, rank, far;
    dtype.shard(1, {{"w", {2}, {0}}}).shard(2, {{"w", {2}, {2}, "I8"}});
    CHECK(dtype.error() ==
          "DIR: 'w': u8 of 1 dimensions in one file, i8 of 1 in another: files of different "
          "checkpoints are mixed");
    rank.shard(1, {{"w", {2}, {0}}}).shard(2, {{"w", {1, 2}, {2, 0}}});
    CHECK(rank.error() ==
          "DIR: 'w': u8 of 1 dimensions in one file, u8 of 2 in another: files of different "
          "checkpoints are mixed");
    far.shard(1, {{"w", {2}, {0xffffffffffffffff}}});
    CHECK(far.error() == "'w': size overflow: 18446744073709551615 + 2 does not fit 64 bits");
}

TEST_CASE("dcp_hf: a directory is recognized by its names") {
    Sharded directory;
    directory.file("shard-1-model-1-of-0.safetensors", "").file("shard-00001-model-00002-of-00001.safetensors", "");
    directory.file("shard-00001-model-00001-of-00001.safetensors.tmp", "").file("model.safetensors", "");
    CHECK(directory.probe() == 0);
    CHECK(directory.error() == "DIR: no files 'shard-R-model-I-of-N.safetensors' in it: not a sharded HF checkpoint");
    directory.shard(1, {{"w", {2}, {0}}});
    CHECK(directory.probe() == 85);
}
