// The plugins of docs/writing-a-plugin.md, compiled from the document, do what it says.

#include "plugins/plugin_loader.hpp"
#include "support/bundled_plugins.hpp"
#include "support/catch.hpp"
#include "support/temp_dir.hpp"

#include <fstream>

namespace unshard {
namespace {

namespace fs = std::filesystem;

const Plugins kPlugins({UNSHARD_DOCUMENTED_PLUGIN_DIR});

/// A checkpoint for the documented reader: 'weight' of shape (2, 3).
struct RawCheckpoint {
    RawCheckpoint() {
        std::string name = (fs::temp_directory_path() / "unshard-documented-XXXXXX").string();
        directory = ::mkdtemp(name.data());
        std::ofstream(directory / "shapes.json") << R"({"weight": [2, 3]})";
        std::ofstream(directory / "weight.f32") << std::string(24, 'x');
        request.input = directory.string();
    }
    ~RawCheckpoint() { fs::remove_all(directory); }

    fs::path directory;
    Request request;
};

TEST_CASE("the documented reader reads") {
    const RawCheckpoint checkpoint;
    const std::unique_ptr<Reader> reader = kPlugins.reader("raw");
    CHECK(reader->probe(Request{}) == 0);
    CHECK(reader->probe(checkpoint.request) == 50);
    const Shard shard = contiguous_shard(0, 0, DType::f32, {.shape = {2, 3}, .origin = Dims{0, 0}});
    CheckpointIndex expected;
    expected.format = "raw floats";
    expected.ranks = 1;
    expected.files = {source_file(InputFile((checkpoint.directory / "weight.f32").string()))};
    expected.tensors = {{"weight", DType::f32, Dims{2, 3}, {shard}}};
    CHECK(reader->index(checkpoint.request) == expected);
}

TEST_CASE("the documented reader refuses what it should") {
    RawCheckpoint checkpoint;
    const std::string listing = (checkpoint.directory / "shapes.json").string();
    const auto check = [&](const std::string& json, const std::string& message) {
        std::ofstream(listing) << json;
        CHECK_THROWS_WITH(kPlugins.reader("raw")->index(checkpoint.request), message);
    };
    check(R"({"../weight": [1]})", listing + ": '../weight' cannot be the name of a file");
    check(R"({"weight": [-1]})", listing + ": 'weight': [-1] is not a shape");
    checkpoint.request.options = {{"extensoin", ".bin"}};
    check("{}", "unknown option 'extensoin': known are extension");
}

TEST_CASE("the documented reader of several ranks gives what a merger puts together") {
    const test::TempDir directory;
    test::write_file(directory / "ranks.json", R"({"world_size": 2, "b": [1], "w": [5, 3]})");
    test::write_file(directory / "rank0.f32", std::string(4 + 36, 'x'));
    test::write_file(directory / "rank1.f32", std::string(24, 'y'));
    Request request;
    request.input = directory.path();
    const std::unique_ptr<Reader> reader = kPlugins.reader("ranks");
    CHECK(reader->probe(request) == 80);
    std::vector<std::uint64_t> seen;
    reader->progress = [&](std::uint64_t done, std::uint64_t) { seen.push_back(done); };
    const CheckpointIndex index = reader->index(request);
    CHECK(seen == std::vector<std::uint64_t>{1, 2});
    CHECK(index.ranks == 2);
    const Plan plan = test::bundled_plugins().merger("placement")->plan(index, Request{});
    REQUIRE(plan.tensors.size() == 2);
    const std::vector<Copy> b = {{0, 0, 0, {1}, {{0}, {1}}}};
    CHECK(plan.tensors[0].copies == b);
    const std::vector<Copy> w = {{1, 0, 0, {3, 1}, {{0, 0}, {3, 3}}}, {1, 1, 0, {3, 1}, {{3, 0}, {2, 3}}}};
    CHECK(plan.tensors[1].copies == w);
    CHECK(index.tensors[1].shards[1].offset == 0);
    CHECK(index.tensors[1].shards[0].offset == 4);
}

TEST_CASE("the documented merger averages") {
    CheckpointIndex index;
    const Shard shard = contiguous_shard(0, 0, DType::f32, {.shape = {2, 3}});
    index.tensors = {{"weight", DType::f32, std::nullopt, {shard, shard}}};
    const Copy first{0, 0, 0, {3, 1}, {{0, 0}, {2, 3}}};
    Copy second = first;
    second.shard = 1;
    Plan expected;
    expected.tensors = {{"weight", DType::f32, {2, 3}, {2, 3}, {first, second}, {}, true, true, 2}};
    CHECK(kPlugins.merger("mean")->plan(index, Request{}) == expected);
}

TEST_CASE("the documented writer lays out and encodes") {
    Plan plan;
    plan.tensors = {{"weight", DType::f32, {2, 3}, {2, 3}, {}, {}, true}};
    Request request;
    request.options = {{"cut", true}, {"dtype", "keep"}};
    const std::unique_ptr<Writer> writer = kPlugins.writer("raw");
    const std::string listing = "{\n  \"weight\": [\n    2,\n    3\n  ]\n}\n";
    Layout expected;
    expected.encodings = {{"cut", 1, 2}};
    expected.files = {{"weight.cut", 12}, {"shapes.json", listing.size()}};
    expected.literals = {{1, 0, listing}};
    expected.placed = {{0, {2, 3}, Box::whole({2, 3}), {}, 0, 0, 0, 0}};
    CHECK(writer->layout(plan, request) == expected);

    request.model["tables"]["raw"]["skip"] = {"weight"};
    const Layout skipped = kPlugins.writer("raw")->layout(plan, request);
    CHECK(skipped.dropped == std::vector<Dropped>{{"weight", "[raw] of the model's file skips it"}});
    CHECK(skipped.files.size() == 1);

    std::vector<std::byte> out(4);
    writer->encode(0, std::vector<float>{1.0F, -2.0F}, 2, out);
    CHECK(out == std::vector{std::byte{0x80}, std::byte{0x3f}, std::byte{0x00}, std::byte{0xc0}});
}

}  // namespace
}  // namespace unshard
