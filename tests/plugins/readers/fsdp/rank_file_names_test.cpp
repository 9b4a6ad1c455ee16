// Which files in a directory are the rank files of one save: veRL's names and accelerate's.

#include "plugins/readers/fsdp/rank_checkpoint.hpp"

using namespace unshard;
using namespace unshard::test;

TEST_CASE("a directory with rank files is this reader's, any other is not") {
    Checkpoint checkpoint;
    CHECK(checkpoint.probe() == 0);
    checkpoint.file("optim_world_size_2_rank_0.pt", "");
    CHECK(checkpoint.probe() == 0);
    checkpoint.rank(2, 0, "");
    CHECK(checkpoint.probe() == 100);
    CHECK(Checkpoint("/no/such/path").probe() == 0);
}

TEST_CASE("a directory without rank files is an error") {
    CHECK(Checkpoint().error() ==
          "DIR: no files 'model_world_size_W_rank_R.pt' or 'pytorch_model_fsdp_I_rankR.bin' in it: not an FSDP "
          "checkpoint");
}

TEST_CASE("missing ranks are named, many of them abbreviated") {
    Checkpoint few;
    for (const std::uint64_t r : {0U, 2U}) few.rank(4, r, plain_file());
    CHECK(few.error() == "DIR: no file of ranks 1, 3 of a world size of 4: all ranks' files are needed");
    Checkpoint many;
    many.rank(100, 99, plain_file());
    CHECK(many.error() ==
          "DIR: no file of ranks 0, 1, 2, 3, 4, 5, 6, 7 and 91 more of a world size of 100: all ranks' files "
          "are needed");
}

TEST_CASE("ranks beyond the world size are named") {
    Checkpoint checkpoint;
    for (const std::uint64_t r : {0U, 1U, 7U}) checkpoint.rank(2, r, plain_file());
    CHECK(checkpoint.error() ==
          "DIR: there is a file of rank 7 of a world size of 2: take away what is not of this run");
}

TEST_CASE("rank files of several world sizes are an error that lists them; an option chooses") {
    Checkpoint checkpoint;
    for (const std::uint64_t r : {0U, 1U}) checkpoint.rank(2, r, plain_file());
    checkpoint.rank(10, 0, plain_file());
    CHECK(checkpoint.error() ==
          "DIR: rank files of several saves: 'model_world_size_10_rank_*.pt' (1 file), 'model_world_size_2_rank_*.pt' "
          "(2 files): choose one with --set input.options.files=");
    CHECK(checkpoint.index({{"files", "model_world_size_2_rank_*.pt"}}).ranks == 2);
    CHECK(checkpoint.error({{"files", "2"}}) ==
          "DIR: there are no files '2', which the option 'files' names: there are 'model_world_size_10_rank_*.pt' (1 "
          "file), 'model_world_size_2_rank_*.pt' (2 files)");
}

TEST_CASE("numbers that no run would write are refused") {
    for (const std::string digits : {"01", "99999999999999999999", "4294967296"}) {
        for (const std::string& name : std::vector<std::string>{
                 "model_world_size_2_rank_" + digits + ".pt", "model_world_size_" + digits + "_rank_0.pt",
                 "pytorch_model_fsdp_" + digits + "_rank0.bin", "pytorch_model_fsdp_rank" + digits + ".bin"}) {
            Checkpoint checkpoint;
            checkpoint.file(name, "");
            CHECK(checkpoint.error() == "DIR: '" + name + "' has the number '" + digits +
                                            "', which no run would write so: up to 1048576, without leading zeros");
        }
    }
}

TEST_CASE("accelerate's rank files are read in rank order") {
    Checkpoint checkpoint;
    for (std::uint64_t r = 0; r < 12; ++r) {
        checkpoint.file("pytorch_model_fsdp_0_rank" + std::to_string(r) + ".bin", plain_file());
    }
    CHECK(checkpoint.probe() == 100);
    const CheckpointIndex index = checkpoint.index();
    CHECK(index.ranks == 12);
    CHECK(index.files.at(11).path.ends_with("_rank11.bin"));
}

TEST_CASE("accelerate's whole model is a file of one rank") {
    Checkpoint checkpoint;
    const std::string path = checkpoint.file("pytorch_model_fsdp.bin", plain_file());
    CHECK(checkpoint.probe() == 100);
    CHECK(checkpoint.index().ranks == 1);
    CHECK(checkpoint.index().files.at(0).path == path);
}

TEST_CASE("names that are nearly those of rank files are none of ours") {
    Checkpoint checkpoint;
    for (const std::string name : {"pytorch_model_fsdp_.bin", "pytorch_model_fsdp_0_rank.bin", "pytorch_model.bin",
                                   "pytorch_model_fsdp_0_rank1.bin.tmp", "pytorch_model_fsdp_0rank1.bin",
                                   "model_world_size__rank_0.pt", "model_world_size_2_rank_0.pth"}) {
        checkpoint.file(name, "");
        CHECK(checkpoint.probe() == 0);
    }
}

TEST_CASE("several models in one directory are an error that lists them; an option chooses") {
    Checkpoint checkpoint;
    checkpoint.file("pytorch_model_fsdp_0_rank0.bin", plain_file("a"));
    checkpoint.file("pytorch_model_fsdp_1_rank0.bin", plain_file("b"));
    checkpoint.file("pytorch_model_fsdp_1_rank1.bin", plain_file("b"));
    checkpoint.file("pytorch_model_fsdp_2.bin", plain_file("c"));
    const std::string listed =
        "'pytorch_model_fsdp_0_rank*.bin' (1 file), 'pytorch_model_fsdp_1_rank*.bin' (2 files), "
        "'pytorch_model_fsdp_2.bin' (1 file)";
    CHECK(checkpoint.error() ==
          "DIR: rank files of several saves: " + listed + ": choose one with --set input.options.files=");
    CHECK(checkpoint.index({{"files", "pytorch_model_fsdp_1_rank*.bin"}}).tensors.at(0).name == "b");
    CHECK(checkpoint.index({{"files", "pytorch_model_fsdp_2.bin"}}).tensors.at(0).name == "c");
}

TEST_CASE("a rank that is missing in the middle shows in the names") {
    Checkpoint checkpoint;
    for (const std::string rank : {"0", "3"}) checkpoint.file("pytorch_model_fsdp_rank" + rank + ".bin", plain_file());
    CHECK(checkpoint.error() == "DIR: no file of ranks 1, 2, and there is one of rank 3: all ranks' files are needed");
}

TEST_CASE("a rank that is missing at the end shows in the mesh of the others") {
    Checkpoint checkpoint;
    for (const std::string rank : {"0", "1"}) {
        checkpoint.file("pytorch_model_fsdp_0_rank" + rank + ".bin", placed_file({0, 1, 2, 3}));
    }
    CHECK(checkpoint.error() == "DIR: no file of ranks 2, 3 of a world size of 4: all ranks' files are needed");
}

TEST_CASE("a mesh with a rank that no run has is refused") {
    Checkpoint checkpoint;
    checkpoint.file("pytorch_model_fsdp_0_rank0.bin", placed_file({0, 1 << 30}));
    CHECK(checkpoint.error() == "DIR: its files speak of 1073741825 ranks, at most 1048576 are supported");
}
