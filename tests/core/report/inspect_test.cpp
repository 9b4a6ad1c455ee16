#include "report/inspect.hpp"
#include "core/input/marker_readers.hpp"
#include "report/stored.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/index_builder.hpp"

using namespace unshard;
using namespace unshard::test;
namespace fs = std::filesystem;

namespace {

Inspection inspect_path(const std::string& path) {
    Pipeline::Input input;
    input.path = path;
    return inspect(input, marker_readers(), 1);
}

constexpr Placement kSharded{PlacementKind::shard, 0, 1};
constexpr Placement kReplicated{PlacementKind::replicate, 0, 1};

}  // namespace

TEST_CASE("how a tensor is stored is said in words") {
    IndexBuilder builder(4);
    CheckpointIndex named = builder.index();
    named.meshes = {{{4}, {"fsdp"}, {0, 1, 2, 3}}, {{2, 2}, {"ddp", "fsdp"}, {0, 1, 2, 3}}};
    SourceTensor t{"w", DType::f32, Dims{8}, {Shard()}};
    CHECK(stored_text(t, named) == "whole");
    t.shards[0].spec = ShardSpec{.mesh = 0, .placements = {kSharded}};
    CHECK(stored_text(t, named) == "Shard(0) x4 on ('fsdp')");
    t.shards[0].spec = ShardSpec{.mesh = 1, .placements = {kReplicated, {PlacementKind::strided_shard, 1, 2}}};
    CHECK(stored_text(t, named) == "Replicate() x2, _StridedShard(1, sf=2) x2 on ('ddp', 'fsdp')");
    t.shards = {Shard(), Shard()};
    CHECK(stored_text(t, named) == "same shape on 2 ranks");
    t.shards[1].spec = ShardSpec{.shape = {3}};
    CHECK(stored_text(t, named) == "plain parts on 2 ranks");
    t.shards[0].spec = t.shards[1].spec = ShardSpec{.origin = Dims{0}};
    CHECK(stored_text(t, named) == "2 boxes");
}

TEST_CASE("a checkpoint is listed with layers in one line, or each on its own") {
    IndexBuilder builder(2);
    const std::uint32_t mesh = builder.mesh({2}, {0, 1});
    for (const char* name : {"layers.0.w", "layers.1.w"}) {
        builder.tensor(name, Dims{4, 3}).placed(0, {2, 3}, mesh, {kSharded}).placed(1, {2, 3}, mesh, {kSharded});
    }
    builder.tensor("steps", std::nullopt, DType::i64).plain(0, {}).plain(1, {});
    Inspection inspection{"ckpt", "fsdp", builder.index()};
    inspection.index.format = "FSDP, 2 ranks";
    inspection.index.dropped = {{"a._extra_state", "no tensor"}, {"b._extra_state", "no tensor"}};
    CHECK(to_text(inspection, false) ==
          "ckpt: FSDP, 2 ranks (reader fsdp)\n"
          "  2 files, 112 bytes; 3 tensors, 25 parameters\n"
          "  mesh (2): ranks 0-1\n"
          "\n"
          "  layers.{0,1}.w  f32  (4, 3)  Shard(0) x2            x2  96 bytes\n"
          "  steps           i64  ()      same shape on 2 ranks      16 bytes\n"
          "\n"
          "not part of the model:\n"
          "  a._extra_state, b._extra_state: no tensor\n");
    const std::string all = to_text(inspection, true);
    CHECK(all.find("  layers.0.w  f32") != std::string::npos);
    CHECK(all.find("  layers.1.w  f32") != std::string::npos);
}

TEST_CASE("keys of a format are listed with long values shortened, quantised tensors with their elements") {
    IndexBuilder builder(1);
    builder.tensor("q", Dims{2, 68}, DType::u8).plain(0, {2, 68});
    Inspection inspection{"m.gguf", "gguf", builder.index()};
    inspection.index.format = "GGUF version 3";
    inspection.index.tensors[0].encoding = Encoding{"q8_0", 32, 34};
    inspection.index.metadata["keys"] = nlohmann::json::parse(R"([
        {"key": "a.name", "type": "string", "value": "x\ny"},
        {"key": "a.scale", "type": "f32", "value": 0.5},
        {"key": "a.tokens", "type": "array of string", "value": ["<s>", "b", "c", "d", "e"], "count": 151936},
        {"key": "a.ids", "type": "array of i32", "value": [1, 2], "count": 2}])");
    inspection.index.metadata["keys"].push_back(
        {{"key", "template"}, {"type", "string"}, {"value", std::string(100, 't')}});
    CHECK(to_text(inspection, false) ==
          "m.gguf: GGUF version 3 (reader gguf)\n"
          "  1 file, 136 bytes; 1 tensor, 128 parameters\n"
          "  136 bytes of weights, 8.50 bits each; q8_0 x1\n"
          "\n"
          "  a.name    string           'x\\ny'\n"
          "  a.scale   f32              0.5\n"
          "  a.tokens  array of string  ['<s>', 'b', 'c', 'd', ...] 151,936 elements\n"
          "  a.ids     array of i32     [1, 2]\n"
          "  template  string           '" +
              std::string(72, 't') +
              "...' (100 bytes)\n"
              "\n"
              "  q  q8_0  (2, 64)  whole    136 bytes\n");
}

TEST_CASE("JSON has every shard") {
    IndexBuilder builder(1);
    builder.tensor("w", std::nullopt, DType::bf16).plain(0, {2});
    const auto json = to_json(Inspection{"ckpt", "fsdp", builder.index()});
    CHECK(json["tensors"] == nlohmann::ordered_json::parse(R"([{"name": "w", "dtype": "bf16", "shape": [2],
        "stored": "whole", "bytes": 4,
        "shards": [{"rank": 0, "file": 0, "offset": 0, "bytes": 4, "shape": [2]}]}])"));
    CHECK(json["files"] == nlohmann::ordered_json::parse(R"([{"path": "rank_0", "bytes": 4}])"));
}

TEST_CASE("a checkpoint is read by its reader, wherever below it lies") {
    const TempDir directory;
    mark(directory / "run/actor", "alpha");
    const Inspection found = inspect_path(directory.path());
    CHECK(found.path == directory / "run/actor");
    CHECK(found.reader == "alpha");
    CHECK(found.index.format == "alpha checkpoint");
}

TEST_CASE("what is nothing of all that is an error") {
    const TempDir directory;
    CHECK(error_of([&] { inspect_path(directory.path()); }).starts_with(directory.path() + ": no checkpoint here"));
}
