#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/index_builder.hpp"
#include "support/small_model.hpp"
#include "verify/verify.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

/// Two ranks, `w` of four rows of three.
CheckpointIndex valid_index() {
    SmallModel model(2);
    model.add_rows("w", 3, {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}});
    return model.index;
}

template <class Change>
std::string verdict(Change change) {
    CheckpointIndex index = valid_index();
    change(index, index.tensors[0].shards[1]);
    return error_of([&] { verify_index(index); });
}

template <class Change>
std::string verdict_of_spec(Change change) {
    return verdict([&](CheckpointIndex&, Shard& shard) { change_spec(shard, change); });
}

void put_on_mesh(CheckpointIndex& index, Shard& shard) {
    index.meshes = {{{2}, {"fsdp"}, {0, 1}}};
    change_spec(shard, [](ShardSpec& s) {
        s.mesh = 0;
        s.placements = {{PlacementKind::shard, 0, 1}};
    });
}

}  // namespace

TEST_CASE("a sound index passes") {
    REQUIRE(verdict([](CheckpointIndex&, Shard&) {}).empty());
    REQUIRE(verdict(put_on_mesh).empty());
}

TEST_CASE("a shard must lie inside its file, and its elements inside the shard") {
    REQUIRE(verdict([](CheckpointIndex&, Shard& s) { s.file = 2; }) == "w: rank 1: is in file 2 of 2" + kMistake);
    REQUIRE(verdict([](CheckpointIndex&, Shard& s) { s.offset = 1; }) ==
            "w: rank 1: its storage is bytes 1 to 25 of 'ckpt/rank1', which has 24: the file is truncated or damaged");
    REQUIRE(verdict([](CheckpointIndex&, Shard& s) { s.offset = ~std::uint64_t{0}; }) ==
            "w: rank 1: size overflow: 18446744073709551615 + 24 does not fit 64 bits");
    REQUIRE(verdict([](CheckpointIndex&, Shard& s) { s.first = 1; }) ==
            "w: rank 1: 28 bytes of storage are needed, there are 24");
    REQUIRE(verdict_of_spec([](ShardSpec& s) { s.stride = {4, 1}; }) ==
            "w: rank 1: 28 bytes of storage are needed, there are 24");
    REQUIRE(verdict_of_spec([](ShardSpec& s) { s.stride = {3}; }) ==
            "w: rank 1: has strides (3) for a shape (2, 3)" + kMistake);
    REQUIRE(verdict_of_spec([](ShardSpec& s) { s.shape = {std::uint64_t{1} << 40, std::uint64_t{1} << 40}; }) ==
            "w: rank 1: size overflow: 1099511627776 * 1099511627776 does not fit 64 bits");
}

TEST_CASE("a shard's rank, origin and shape fit the checkpoint") {
    REQUIRE(verdict([](CheckpointIndex&, Shard& s) { s.rank = 2; }) ==
            "w: rank 2: is not one of the 2 that saved the checkpoint, 0 to 1" + kMistake);
    REQUIRE(verdict_of_spec([](ShardSpec& s) { s.origin = Dims{2}; }) == "w: rank 1: is (2, 3) at (2)" + kMistake);
    REQUIRE(verdict([](CheckpointIndex& i, Shard& s) {
                i.tensors[0].shape = Dims{4, 3};
                change_spec(s, [](ShardSpec& spec) { spec.origin = Dims{3, 0}; });
            }) == "w: rank 1: is (2, 3) at (3, 0), outside the whole tensor (4, 3)");
    REQUIRE(verdict([](CheckpointIndex& i, Shard&) { i.tensors[0].shape = Dims{12}; }) ==
            "w: rank 0: is (2, 3), the whole tensor (12); w: rank 1: is (2, 3), the whole tensor (12)");
}

TEST_CASE("meshes hold each rank once, as many as their shape says") {
    const auto with_mesh = [](const Mesh& mesh) {
        return verdict([&](CheckpointIndex& i, Shard&) { i.meshes = {mesh}; });
    };
    REQUIRE(with_mesh({{2, 2}, {}, {0, 1}}) == "mesh 0: a mesh (2, 2) lists 2 ranks" + kMistake);
    REQUIRE(with_mesh({{2}, {}, {1, 1}}) == "mesh 0: rank 1 is twice on a mesh" + kMistake);
    REQUIRE(with_mesh({{2}, {}, {1, 2}}) ==
            "mesh 0: rank 2 is on a mesh, there are files of 2 ranks: other ranks' files are missing");
    REQUIRE(with_mesh({{2}, {"a", "b"}, {0, 1}}) == "mesh 0: a mesh (2) has 2 dimension names" + kMistake);
    REQUIRE(with_mesh({{0}, {}, {}}) == "mesh 0: the mesh (0) has no ranks" + kMistake);
}

TEST_CASE("placements fit their mesh and their tensor") {
    const auto placed = [](auto change) {
        return verdict([&](CheckpointIndex& i, Shard& s) {
            put_on_mesh(i, s);
            change_spec(s, change);
        });
    };
    REQUIRE(placed([](ShardSpec& s) { s.mesh = 1; }) == "w: rank 1: is on mesh 1 of 1" + kMistake);
    REQUIRE(placed([](ShardSpec& s) { s.mesh.reset(); }) == "w: rank 1: has placements but no mesh" + kMistake);
    REQUIRE(placed([](ShardSpec& s) { s.placements.clear(); }) == "w: rank 1: 0 placements on a mesh (2)" + kMistake);
    REQUIRE(placed([](ShardSpec& s) { s.placements[0].dim = 2; }) ==
            "w: rank 1: is split along dim 2, its shape is (2, 3)" + kMistake);
    REQUIRE(placed([](ShardSpec& s) { s.placements[0].split_factor = 0; }) ==
            "w: rank 1: has the split factor 0" + kMistake);
}

TEST_CASE("names are there, unique, printable and of sensible length") {
    const auto named = [](const std::string& name) {
        return verdict([&](CheckpointIndex& i, Shard&) { i.tensors[0].name = name; });
    };
    REQUIRE(named("") == "tensor 0 of ckpt/rank0: it has no name");
    REQUIRE(named("a\nb") == "tensor 0 of ckpt/rank0: its name 'a\\nb' has control characters or is not UTF-8");
    REQUIRE(named("a\xC2\x85") ==
            "tensor 0 of ckpt/rank0: its name 'a\\xc2\\x85' has control characters or is not UTF-8");
    REQUIRE(named("a\xFF") == "tensor 0 of ckpt/rank0: its name 'a\\xff' has control characters or is not UTF-8");
    REQUIRE(named("\xED\xA0\x80") ==
            "tensor 0 of ckpt/rank0: its name '\\xed\\xa0\\x80' has control characters or is not UTF-8");
    REQUIRE(named("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80").empty());
    REQUIRE(named(std::string(70000, 'a')) ==
            "tensor 0 of ckpt/rank0: its name has 70,000 bytes, at most 65,536 are possible");
    REQUIRE(verdict([](CheckpointIndex& i, Shard&) { i.tensors.push_back(SourceTensor(i.tensors[0])); }) ==
            "w: two tensors have this name");
}

TEST_CASE("blocks are of bytes, and rows are whole blocks") {
    const auto stored = [](const Encoding& encoding, const Dims& shape) {
        return verdict([&](CheckpointIndex& i, Shard&) { i.tensors[0] = {"q", DType::u8, shape, {}, encoding}; });
    };
    REQUIRE(stored({"q8_0", 32, 34}, {2, 68}).empty());
    REQUIRE(stored({"q8_0", 32, 34}, {2, 64}) ==
            "q: blocks 'q8_0' of 32 elements in 34 bytes do not fit u8 (2, 64)" + kMistake);
    REQUIRE(stored({"q8_0", 32, 0}, {2, 68}).find("q: blocks 'q8_0' of 32 elements in 0 bytes") == 0);
    REQUIRE(stored({"q8_0", 32, 34}, {}).find("q: blocks 'q8_0'") == 0);
}

TEST_CASE("twenty problems are listed, the rest are counted") {
    SmallModel model(1);
    for (int i = 0; i < 23; ++i) model.add_rows("t" + std::to_string(i), 1, {{1}});
    for (SourceTensor& t : model.index.tensors) t.shards[0].first = 1;
    const std::string text = error_of([&] { verify_index(model.index); });
    REQUIRE(text.find("t0: rank 0: 8 bytes of storage are needed, there are 4; t1: ") == 0);
    REQUIRE(text.substr(text.find("t19: ")) == "t19: rank 0: 8 bytes of storage are needed, there are 4; and 3 more");
}
