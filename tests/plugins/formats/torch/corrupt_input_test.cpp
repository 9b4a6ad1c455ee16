// Damaged and hostile files: each gives values or an Error, never a crash. Worth most under sanitizers.

#include "plugins/formats/torch/saved_bytes.hpp"
#include "support/catch.hpp"

#include <random>

using namespace unshard;
using namespace unshard::test;

namespace {

/// A small file with everything in it: a plain tensor, a DTensor on a layout mesh, another on a mesh tensor.
std::string valid_file() {
    const pickle::Code by_layout = mesh_by_layout("1", 4, {{{2}, {2}}, {{2}, {1}}}, {{"_rank", pickle::integer(0)}});
    const pickle::Code by_tensor = mesh_by_tensor("1", {2, 2}, {{"mesh_dim_names", pickle::none()}});
    return torch_file(
        state_dict(
            {{"plain", floats("0", {2, 2})},
             {"placed", dtensor(floats("0", {2, 2}), {4, 4}, by_layout, {shard_placement(0), shard_placement(1)})},
             {"older", dtensor(floats("0", {2, 2}), {4, 2}, by_tensor, {replicate_placement(), shard_placement(0)})}}),
        {std::string(16, 'x'), int32_bytes({0, 1, 2, 3})});
}

/// One file, written and read over and over.
class Scratch {
public:
    /// Reads bytes that may be anything: whether it gave values. An Error is fine, other exceptions are not.
    bool reads(const std::string& bytes) const {
        write_file(path_, bytes);
        try {
            torch::read_state_dict(InputFile(path_), {});
            return true;
        } catch (const Error&) {
            return false;
        }
    }

    /// The same for a pickle alone, in an archive that is in order.
    bool reads_pickle(const std::string& pickle) const {
        ZipBuilder zip;
        zip.add({.name = "a/data.pkl", .bytes = pickle});
        zip.add({.name = "a/data/0", .bytes = std::string(16, 'x')});
        zip.add({.name = "a/data/1", .bytes = int32_bytes({0, 1, 2, 3})});
        zip.add({.name = "a/version", .bytes = "3\n"});
        return reads(zip.build());
    }

private:
    TempDir directory_;
    std::string path_ = directory_ / "f.pt";
};

std::string valid_pickle() {
    const std::string file = valid_file();
    const std::size_t begin = file.find("\x80\x02");
    return file.substr(begin, file.find("PK\3\4", begin) - begin);
}

/// One to three bytes anywhere become other ones.
std::string damaged(std::string bytes, std::mt19937& random) {
    for (auto flips = 1 + random() % 3; flips > 0; --flips)
        bytes[random() % bytes.size()] = static_cast<char>(random());
    return bytes;
}

}  // namespace

TEST_CASE("the file that is damaged below is valid") {
    CHECK(read_bytes(valid_file()).tensors.size() == 3);
}

TEST_CASE("a file cut at any byte is an error") {
    const Scratch scratch;
    const std::string file = valid_file();
    for (std::size_t size = 0; size < file.size(); ++size) {
        if (scratch.reads(file.substr(0, size))) FAIL("cut at " << size << " went unnoticed");
    }
}

TEST_CASE("a pickle cut at any byte is an error") {
    const Scratch scratch;
    const std::string whole = valid_pickle();
    CHECK(scratch.reads_pickle(whole));
    for (std::size_t size = 0; size < whole.size(); ++size) {
        if (scratch.reads_pickle(whole.substr(0, size))) FAIL("cut at " << size << " went unnoticed");
    }
}

TEST_CASE("a file with random bytes in random places gives values or an error") {
    const Scratch scratch;
    const std::string valid = valid_file();
    std::mt19937 random(1);
    int refused = 0;
    for (int i = 0; i < 3000; ++i) refused += scratch.reads(damaged(valid, random)) ? 0 : 1;
    CHECK(refused > 1000);
}

TEST_CASE("a pickle with random bytes in random places gives values or an error") {
    const Scratch scratch;
    const std::string valid = valid_pickle();
    std::mt19937 random(2);
    int refused = 0;
    for (int i = 0; i < 3000; ++i) refused += scratch.reads_pickle(damaged(valid, random)) ? 0 : 1;
    CHECK(refused > 1000);
}

TEST_CASE("values nested without end are no state dict") {
    std::string depth;
    for (int i = 0; i < 100'000; ++i) depth += "\x85" + pickle::put(0);
    CHECK(read_error(torch_file(")" + depth, {})) == "the file is a tuple, not a state dict");
    CHECK(read_error(torch_file(state_dict({{"w", ")" + depth}, {"t", floats("0", {1})}}), {"1234"})).empty());
}

TEST_CASE("a state dict that contains itself is read once") {
    const std::string cyclic =
        "}" + pickle::put(0) + pickle::text("self") + pickle::get(0) + "s" + pickle::text("w") + floats("0", {1}) + "s";
    const torch::StateDict dict = read_bytes(torch_file(cyclic, {"1234"}));
    CHECK(dict.tensors.size() == 1);
    CHECK(dict.dropped.at(0).name == "self");
}

TEST_CASE("one long key for many tensors takes no longer than one") {
    std::string code = "}" + pickle::text(std::string(300'000, 'k')) + pickle::put(0) + "0(";
    for (int i = 0; i < 100'000; ++i) code += pickle::get(0) + "N";
    CHECK(read_error(torch_file(code + "u", {})) ==
          "a key of the state dict has 300000 bytes, at most 1000 are supported");
}

TEST_CASE("a list of shards that many tensors share is refused before it grows") {
    const std::string class_name = "torch.distributed._shard.sharded_tensor.api.ShardedTensor";
    const pickle::Code type = pickle::global(class_name);
    const pickle::Code shard =
        pickle::built("torch.distributed._shard.sharded_tensor.shard.Shard",
                      {{"tensor", floats("0", {1})},
                       {"metadata", pickle::built("torch.distributed._shard.metadata.ShardMetadata",
                                                  {{"shard_offsets", pickle::integers({0})},
                                                   {"shard_sizes", pickle::integers({1})}})}}) +
        pickle::put(0) + "0";
    std::string list = "](";
    for (int i = 0; i < 3000; ++i) list += pickle::get(0);
    const pickle::Code metadata =
        pickle::built("torch.distributed._shard.sharded_tensor.metadata.ShardedTensorMetadata", {{"size", size({1})}});
    const pickle::Code tensor =
        pickle::call("torch._tensor._rebuild_from_type_v2",
                     {pickle::global("torch._utils._rebuild_wrapper_subclass"), type, wrapper_args(type, {1}),
                      pickle::tuple({list + "e", metadata, pickle::none(), pickle::none(), pickle::none()})}) +
        pickle::put(1) + "0";
    std::string dict = "}(";
    for (int i = 0; i < 1000; ++i) dict += pickle::text(std::to_string(i)) + pickle::get(1);
    CHECK(read_error(torch_file(shard + tensor + dict + "u", {"1234"}))
              .ends_with("the file has more shards than it could list"));
}
