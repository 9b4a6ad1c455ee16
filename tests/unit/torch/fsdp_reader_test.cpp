// The reader of FSDP rank files, through the real loader.

#include "support/bundled_plugins.hpp"
#include "support/catch.hpp"
#include "unit/torch/saved_bytes.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

/// A directory of rank files, and what the reader says about it.
class Checkpoint {
public:
    Checkpoint() : path_(directory_.path()) {}
    explicit Checkpoint(std::string path) : path_(std::move(path)) {}

    std::string file(const std::string& name, const std::string& bytes) {
        write_file(directory_ / name, bytes);
        return directory_ / name;
    }
    std::string rank(std::uint64_t world, std::uint64_t rank, const std::string& bytes) {
        return file("model_world_size_" + std::to_string(world) + "_rank_" + std::to_string(rank) + ".pt", bytes);
    }
    void ranks(const std::vector<std::string>& files) {
        for (std::size_t r = 0; r < files.size(); ++r) rank(files.size(), r, files[r]);
    }

    CheckpointIndex index(const nlohmann::json& options = nlohmann::json::object()) const {
        return plugins_.reader("fsdp")->index(request(options));
    }
    int probe() const { return plugins_.reader("fsdp")->probe(request(nlohmann::json::object())); }

    /// The error, with the directory's name cut out of it.
    std::string error(const nlohmann::json& options = nlohmann::json::object()) const {
        std::string text = error_of([&] { index(options); });
        for (std::size_t at = text.find(directory_.path()); at != std::string::npos;
             at = text.find(directory_.path())) {
            text.replace(at, directory_.path().size(), "DIR");
        }
        return text;
    }

private:
    Request request(const nlohmann::json& options) const {
        Request request;
        request.input = path_;
        request.options = options;
        return request;
    }

    TempDir directory_;
    std::string path_;
    Plugins plugins_ = bundled_plugins();
};

std::string plain_file(const std::string& name = "w") {
    return torch_file(state_dict({{name, floats("0", {1})}}), {"1234"});
}

/// A rank's file with DTensor 'w' of whole shape (8, 2) on a mesh of these ranks.
std::string placed_file(const std::vector<std::uint64_t>& mesh, const pickle::Code& placement = shard_placement(0)) {
    const auto size = static_cast<std::int64_t>(mesh.size());
    return file_of(dtensor(floats("0", {4, 2}), {8, 2}, mesh_by_tensor("1", {size}), {placement}),
                   {std::string(32, 'x'), int32_bytes(mesh)});
}

}  // namespace

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
    CHECK(Checkpoint().error() == "DIR: no files 'model_world_size_W_rank_R.pt' in it: not an FSDP checkpoint");
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

TEST_CASE("rank files of several world sizes are an error that lists them") {
    Checkpoint checkpoint;
    for (const std::uint64_t r : {0U, 1U}) checkpoint.rank(2, r, plain_file());
    checkpoint.rank(10, 0, plain_file());
    CHECK(checkpoint.error() ==
          "DIR: rank files of several world sizes: 2 (2 files), 10 (1 files): leave those of one run only");
}

TEST_CASE("numbers that no run would write are refused") {
    for (const std::string name :
         {"model_world_size_2_rank_01.pt", "model_world_size_02_rank_1.pt",
          "model_world_size_99999999999999999999_rank_0.pt", "model_world_size_4294967296_rank_0.pt"}) {
        Checkpoint checkpoint;
        checkpoint.file(name, "");
        CHECK(checkpoint.error() == "DIR: '" + name +
                                        "': a world size or rank that PyTorch would not write so: up to "
                                        "1048576, without leading zeros");
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
    CHECK(index.tensors.at(0).shards.at(1).mesh == 0);
}

TEST_CASE("a plain tensor must be on all ranks") {
    Checkpoint checkpoint;
    checkpoint.ranks({plain_file("a"), plain_file("b"), plain_file("a")});
    CHECK(checkpoint.error() ==
          "'a': missing in the file of rank 1, present in that of ranks 0, 2: rank files of different "
          "runs are mixed, or one is incomplete");
}

TEST_CASE("a placed tensor must be on all ranks of its mesh, and only on those") {
    Checkpoint part_of_run;
    part_of_run.ranks({placed_file({0, 1}), placed_file({0, 1}), plain_file("w2")});
    CHECK(part_of_run.error().starts_with("'w2': missing in the file of ranks 0, 1, present in that of rank 2"));
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
    CHECK(outside.error() == "'w': its mesh has rank 5, there are 1 ranks" + cure);
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
    CHECK(checkpoint.error({{"root", "model"}}).find("pass --opaque my.Config") != std::string::npos);
    CHECK(checkpoint.error({{"roots", "model"}}) == "unknown option 'roots': known are opaque, root");
}
