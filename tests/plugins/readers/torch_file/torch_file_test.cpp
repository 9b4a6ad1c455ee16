// Whole models in files of torch.save, through the real loader.

#include "plugins/formats/torch/saved_bytes.hpp"
#include "support/catch.hpp"
#include "support/reader_directory.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

const std::string kFirst = "pytorch_model-00001-of-00002.bin", kSecond = "pytorch_model-00002-of-00002.bin";

struct Files : ReaderDirectory {
    Files() : ReaderDirectory("torch_file", "pytorch_model.bin.index.json") {}
};

/// A file of tensors of one float each.
std::string model(const std::vector<std::string>& names) {
    pickle::Items items;
    for (const std::string& name : names) items.emplace_back(name, floats("0", {1}));
    return torch_file(state_dict(items), {"1234"});
}

Files two_parts() {
    Files files;
    files.file(kFirst, model({"a", "b"})).file(kSecond, model({"c"}));
    files.index_file({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}});
    return files;
}

using Names = std::vector<std::string>;

Names names_of(const CheckpointIndex& index) {
    Names names;
    for (const SourceTensor& tensor : index.tensors) names.push_back(tensor.name);
    return names;
}

}  // namespace

TEST_CASE("torch file: tensors are whole, where they lie, with any stride") {
    Files files;
    const std::string bytes = torch_file(
        state_dict({{"w", strided(storage("FloatStorage", "0", 7), 1, {3, 2}, {1, 3})}}), {std::string(28, 'x')});
    files.file("pytorch_model.bin", bytes);
    const CheckpointIndex index = files.index();
    const ShardSpec spec{.shape = {3, 2}, .stride = {1, 3}, .origin = Dims{0, 0}};
    const Shard shard{.offset = bytes.find("xxxx"), .bytes = 28, .first = 1, .spec = spec, .crc32 = {}};
    CHECK(index.tensors == std::vector<SourceTensor>{{"w", DType::f32, Dims{3, 2}, {shard}}});
    CHECK(index.format == "torch.save, 1 file");
    CHECK(index.ranks == 1);
    CHECK(index.is_training_state);
    CHECK(files.index("pytorch_model.bin") == index);
}

TEST_CASE("torch file: parts are read by their index, other forms beside them are not") {
    Files files = two_parts();
    files.file("training_args.bin", "x").file("optimizer.pt", model({"o"})).file("pytorch_model_fsdp.txt", "x");
    CHECK(files.probe() == 60);
    const CheckpointIndex index = files.index();
    CHECK(names_of(index) == Names{"a", "b", "c"});
    CHECK(index.tensors[2].shards[0].file == 1);
    CHECK(index.dropped.empty());
    CHECK(index.format == "torch.save, 2 files");
}

TEST_CASE("torch file: index and parts must agree") {
    CHECK(two_parts().remove(kSecond).error() ==
          "DIR/pytorch_model.bin.index.json: names files that are missing: '" + kSecond + "'");
    CHECK(two_parts().file(kFirst, model({"a"})).error() ==
          "DIR/" + kFirst + ": does not hold 'b', which the index says it does");
    CHECK(two_parts().file(kSecond, model({"c", "d"})).error() ==
          "DIR/" + kSecond + ": holds 'd', which the index does not name");
    CHECK(two_parts().file(kSecond, model({"a", "c"})).error() ==
          "DIR/" + kSecond + ": holds 'a', which the index says is in 'DIR/" + kFirst + "'");
    CHECK(two_parts().file("pytorch_model-00003-of-00003.bin", model({"z"})).error() ==
          "DIR/pytorch_model.bin.index.json: does not name 'pytorch_model-00003-of-00003.bin', which is a part of the "
          "same model by its name: take away what is of another save");
    CHECK(two_parts().file("pytorch_model.bin", model({"a"})).error() ==
          "DIR: both 'pytorch_model.bin' and 'pytorch_model.bin.index.json' of other files: take one of them away");
}

TEST_CASE("torch file: without an index all parts must be there, and one is read alone only when wanted") {
    Files files = two_parts();
    files.remove("pytorch_model.bin.index.json");
    CHECK(names_of(files.index()) == Names{"a", "b", "c"});
    CHECK(files.error(kFirst) ==
          "DIR/" + kFirst +
              ": is part 1 of a model in 2 files: name its directory, or pass --set input.options.part=true to read "
              "this part alone");
    CHECK(names_of(files.index(kFirst, {{"part", true}})) == Names{"a", "b"});
    files.remove(kSecond);
    CHECK(files.error() == "DIR: 1 of the 2 files of the model are here, without number 2: copy the others too");
}

TEST_CASE("torch file: safetensors of the same model are surer") {
    Files files;
    files.file("pytorch_model.bin", model({"a"})).file("model.safetensors", "");
    CHECK(files.probe() < files.probe("", "safetensors"));
}

TEST_CASE("torch file: a file of any name, or the only one in a directory that holds a model, is recognised") {
    Files files;
    files.file("notes.txt", "x").file("other.pt", "x").file("data.pt", model({"w"}));
    CHECK(files.probe() == 0);
    CHECK(files.error() == "DIR: no file of torch.save in it that may be a model");
    files.file("history.pth", torch_file(pickle::dict({{"loss", pickle::list({})}}), {}));
    CHECK(files.probe() == 0);  // no model in it
    CHECK(files.probe("history.pth") == 60);
    files.remove("history.pth").file("last.ckpt", model({"w"})).file("optimizer.pt", model({"o"}));
    CHECK(files.probe() == 20);
    CHECK(names_of(files.index()) == Names{"w"});
    files.file("best.ckpt", model({"w"}));
    CHECK(files.probe() == 0);
    CHECK(files.error() == "DIR: 2 files of torch.save, 'best.ckpt', 'last.ckpt': name the one that holds the model");
}

TEST_CASE("torch file: files of other formats are left to their readers") {
    const auto name = GENERATE(values<std::string>(
        {"model_world_size_2_rank_0.pt", "pytorch_model_fsdp.bin", "mp_rank_00_model_states.pt", "adapter_model.bin",
         "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt", "model_optim_rng.pt", "model.safetensors"}));
    Files files;
    files.file(name, model({"w"}));
    CHECK(files.probe(name) == 0);
    CHECK(files.probe() == 0);
}

TEST_CASE("torch file: a rank's file beside those of others is not taken for the whole") {
    Files files;
    files.file("ep0-ba10-rank0.pt", model({"w"}));
    CHECK(names_of(files.index()) == Names{"w"});
    files.file("ep0-ba9-rank1.pt", model({"w"}));
    CHECK(names_of(files.index("ep0-ba10-rank0.pt")) == Names{"w"});
    files.file("ep0-ba10-rank1.pt", model({"w"}));
    CHECK(files.error("ep0-ba10-rank0.pt")
              .starts_with("DIR/ep0-ba10-rank0.pt: is one rank's file, 'ep0-ba10-rank1.pt' "));
}

TEST_CASE("torch file: a rank's part of a tensor is refused, what a rank holds whole is read") {
    const auto with = [](const pickle::Code& tensor, const std::vector<std::uint64_t>& ranks) {
        Files files;
        files.file("x.pt", file_of(tensor, {std::string(32, 'x'), int32_bytes(ranks)}));
        return files;
    };
    const pickle::Code local = floats("0", {4, 2}), alone = mesh_by_tensor("1", {1}), two = mesh_by_tensor("1", {2});
    CHECK(with(dtensor(local, {8, 2}, two, {shard_placement(0)}), {0, 1}).error("x.pt") ==
          "DIR/x.pt: 'w': it is (8, 2) as a whole and the file has (4, 2) of it, as one rank of several saves it: name "
          "the directory with the files of all ranks, called model_world_size_W_rank_R.pt");
    CHECK(with(dtensor(local, {4, 2}, alone, {shard_placement(0)}), {0}).index("x.pt").tensors.at(0).shape ==
          Dims{4, 2});
    CHECK(with(dtensor(local, {4, 2}, two, {replicate_placement()}), {5, 3}).index("x.pt").meshes.empty());
    const pickle::Code partial =
        pickle::built("torch.distributed.tensor.placement_types.Partial", {{"reduce_op", pickle::text("sum")}});
    CHECK(with(dtensor(local, {4, 2}, two, {partial}), {0, 1}).error("x.pt").find("summand of a sum") !=
          std::string::npos);
}

TEST_CASE("torch file: a file that torch.save did not write is said to be none") {
    Files files;
    files.file("x.bin", "GGUF....").file("page.pt", "<html>");
    CHECK(files.error("x.bin") ==
          "DIR/x.bin: not a zip file, as torch.save writes: it begins with the bytes 47 47 55 46 2e 2e 2e 2e");
    CHECK(files.error("page.pt") ==
          "DIR/page.pt: not a zip file, as torch.save writes: it begins as a web page: fetch "
          "it again");
}

TEST_CASE("torch file: options reach the file, others are refused") {
    Files files;
    const pickle::Code inner = state_dict({{"w", floats("0", {1})}, {"c", pickle::object("my.Config")}});
    files.file("x.pt", torch_file(pickle::dict({{"model", inner}, {"ema", inner}}), {"1234"}));
    CHECK(files.error("x.pt").find("2 parts look like a model") != std::string::npos);
    CHECK(files.error("x.pt", {{"root", "ema"}}).find("leave it out with --opaque my.Config") != std::string::npos);
    CHECK(names_of(files.index("x.pt", {{"root", "ema"}, {"opaque", {"my.Config"}}})) == Names{"w"});
    CHECK(files.error("x.pt", {{"rot", "ema"}}) == "unknown option 'rot': known are opaque, part, root");
}
