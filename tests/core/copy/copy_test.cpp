#include "copy/copy.hpp"

#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/small_model.hpp"
#include "support/temp_dir.hpp"
#include "verify/verify.hpp"

#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstring>

using namespace unshard;
using namespace unshard::test;

namespace {

struct Result {
    CopyReport report;
    std::string bytes;
    std::uint64_t last_progress = 0;
};

Result run_copy(const SmallModel& model, const Layout& layout, const TempDir& dir, const CopySettings& settings = {},
                Writer* writer = nullptr) {
    model.write_files();
    verify_plan(model.index, model.plan);
    const std::vector<Destination> destinations = lower(model.plan, layout);
    verify_layout(model.plan, layout, destinations);
    std::filesystem::remove_all(dir / "out");
    Result result;
    Stage stage(dir / "out", layout, true);
    result.report = copy(model.index, {{&model.plan, &layout, &destinations, &stage, writer}}, settings,
                         [&](std::uint64_t done) { result.last_progress = done; });
    commit({&stage, 1});
    result.bytes = read_file(dir / "out/model.bin");
    return result;
}

template <class T = float>
std::vector<T> values(const std::string& bytes) {
    std::vector<T> result(bytes.size() / sizeof(T));
    std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
}

}  // namespace

TEST_CASE("rows of all ranks are joined, and the report counts what was written") {
    const TempDir dir;
    SmallModel model(3, dir.path());
    model.add_rows("w", 2, {{1, 2, 3, 4}, {5, 6}, {}});
    const Result result = run_copy(model, layout_of(model.plan), dir);
    REQUIRE(values(result.bytes) == std::vector<float>{1, 2, 3, 4, 5, 6});
    REQUIRE(result.report.bytes_written == 24);
    REQUIRE(result.last_progress == 24);
    REQUIRE(result.report.overflowed_tensors.empty());
}

TEST_CASE("the terms of a sum are added up, and divided by its divisor") {
    const TempDir dir;
    SmallModel model(2, dir.path());
    model.add_rows("w", 2, {{1, -0.0F, 3, 4, 5, 6}, {10, -0.0F, 30, 40, 50, 60}});
    PlannedTensor& tensor = model.plan.tensors[0];
    tensor.shape = tensor.view = {3, 2};
    tensor.is_sum = true;
    tensor.divisor = 2;
    for (Copy& copy : tensor.copies) copy.box.origin = {0, 0};
    Layout layout = layout_of(model.plan);
    layout.placed[0].axes = {1, 0};
    for (const std::uint64_t tile_bytes : {1U, 8U, 12U, 1000U}) {
        const std::vector<float> sums = values(run_copy(model, layout, dir, {1, tile_bytes, false}).bytes);
        REQUIRE(sums == std::vector<float>{5.5F, 16.5F, 27.5F, -0.0F, 22, 33});
        REQUIRE(std::signbit(sums[3]));
    }
}

TEST_CASE("an average is divided once, as PyTorch rounds it") {
    const TempDir dir;
    SmallModel model(3, dir.path());
    model.add_rows("w", 2, {{7, 1}, {2, 1}, {0, 1e-8F}});
    PlannedTensor& tensor = model.plan.tensors[0];
    tensor.shape = tensor.view = {1, 2};
    tensor.is_sum = true;
    tensor.divisor = 3;
    for (Copy& copy : tensor.copies) copy.box.origin = {0, 0};
    REQUIRE(values(run_copy(model, layout_of(model.plan), dir).bytes) == std::vector<float>{3, 2.0F / 3});
}

TEST_CASE("values that become infinite are counted, and their tensors named") {
    const TempDir dir;
    SmallModel model(2, dir.path());
    model.add_rows("fine", 2, {{1, 2}, {3, 4}});
    model.add_rows("large", 2, {{1, 1e6F}, {-1e6F, INFINITY}});
    const CopyReport report = run_copy(model, layout_of(model.plan, DType::f16), dir).report;
    REQUIRE(report.overflowed == 2);
    REQUIRE(report.overflowed_tensors == std::vector<std::string>{"large"});
}

TEST_CASE("replicas that differ are an error with ranks, place and values") {
    const TempDir dir;
    SmallModel model(4, dir.path());
    std::vector<float> norm(2000, 0.5F);
    std::vector<float> damaged = norm;
    damaged[1700] = 0.25F;
    damaged[1999] = 0;
    model.add_replicated("model.norm.weight", {norm, norm, norm, damaged});
    const Layout layout = layout_of(model.plan);
    for (const std::uint64_t tile_bytes : {4U, 100U, 1U << 20U}) {
        REQUIRE(error_of([&] { run_copy(model, layout, dir, {4, tile_bytes, true}); }) ==
                "model.norm.weight: ranks 0 and 3 hold different values (first at element 1,700: 0.5 and 0.25): it "
                "is stated to be replicated, so one of the files is damaged");
    }
    REQUIRE(dir.entries() == std::vector<std::string>{"rank0", "rank1", "rank2", "rank3"});
}

TEST_CASE("replicas that the format states are compared whole when asked, and when they are small, else by a sample") {
    const TempDir dir;
    SmallModel model(2, dir.path());
    constexpr std::uint64_t kTile = 1 << 20;
    std::vector<float> values(kTile), late = values, early = values;
    late[kTile / 4 - 1] = 1;  // the last of a tile
    early[kTile / 2] = 1;     // the first of one
    model.add_replicated("w", {values, late});
    const Layout layout = layout_of(model.plan);
    const CopyReport report = run_copy(model, layout, dir, {2, kTile, false}).report;
    REQUIRE(report.replicas == 4 * kTile);
    REQUIRE(report.replicas_compared == 4 * (64 << 10));
    REQUIRE_THROWS_AS(run_copy(model, layout, dir, {2, kTile, true}), Error);
    REQUIRE_THROWS_AS(run_copy(model, layout, dir, {2, 8 * kTile, false}), Error);
    model.plan.tensors[0].replicas_stated = false;
    REQUIRE_THROWS_AS(run_copy(model, layout, dir, {2, kTile, false}), Error);
    SmallModel diverged(2, dir.path());
    diverged.add_replicated("w", {values, early});
    REQUIRE_THROWS_AS(run_copy(diverged, layout, dir, {2, kTile, false}), Error);
}

TEST_CASE("values that look alike are shown by their bits") {
    const TempDir dir;
    SmallModel model(2, dir.path());
    model.add_replicated("norm", {{1, std::nanf("1")}, {1, std::nanf("2")}});
    REQUIRE(error_of([&] { run_copy(model, layout_of(model.plan), dir); }) ==
            "norm: ranks 0 and 1 hold different values (first at element 1: 0x7fc00001 and 0x7fc00002): it "
            "is stated to be replicated, so one of the files is damaged");
}

TEST_CASE("the error for a tied tensor that differs says what to do") {
    const TempDir dir;
    SmallModel model(1, dir.path());
    model.add_replicated("model.embed_tokens.weight", {{1, 2}});
    model.add_replicated("lm_head.weight", {{1, 3}});
    model.plan.tensors[0].replicas = model.plan.tensors[1].copies;
    model.plan.tensors.pop_back();
    REQUIRE(error_of([&] { run_copy(model, layout_of(model.plan), dir); }) ==
            "lm_head.weight differs from model.embed_tokens.weight (first at element 1: 2 and 3) although config.json "
            "says tie_word_embeddings: --keep '^lm_head\\.weight$' writes it and makes config.json say that they are "
            "not tied");
}

namespace {

/// Blocks of two: their sum, as a byte each, behind the row length that `encode` was told.
struct PairWriter : Writer {
    Layout layout(const Plan&, const Request&) override { return {}; }
    void encode(std::uint32_t encoding, std::span<const float> values, std::uint64_t row_elems,
                std::span<std::byte> out) const override {
        if (encoding != 0 || values.size() % row_elems != 0) throw Error("wrong call");
        for (std::size_t i = 0; i < out.size(); ++i) {
            out[i] = static_cast<std::byte>(static_cast<int>(values[2 * i] + values[2 * i + 1]));
        }
    }
};

}  // namespace

TEST_CASE("a writer encodes blocks of f32, however the tiles are cut") {
    const TempDir dir;
    SmallModel model(2, dir.path());
    model.add_rows("w", 6, {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}});
    Layout layout = layout_of(model.plan);
    layout.encodings = {{"pair", 2, 1}};
    layout.placed[0].add = 1;
    layout.files[0].bytes = 6;
    PairWriter writer;
    for (const std::uint64_t tile_bytes : {1U, 16U, 24U, 40U, 1000U}) {
        REQUIRE(values<char>(run_copy(model, layout, dir, {2, tile_bytes, false}, &writer).bytes) ==
                std::vector<char>{5, 9, 13, 17, 21, 25});
    }
    model.index.tensors[0].dtype = model.plan.tensors[0].dtype = DType::i32;
    REQUIRE_THROWS_AS(run_copy(model, layout, dir, {}, &writer), Error);
}

TEST_CASE("assets are copied byte for byte, into directories too") {
    const TempDir dir;
    SmallModel model(1, dir.path());
    model.add_rows("w", 1, {{1}});
    Layout layout = layout_of(model.plan);
    const std::string large(3'000'000, 'x');
    write_file(dir / "tokenizer", large);
    write_file(dir / "empty", "");
    layout.assets = {{dir / "tokenizer", "extra/tokenizer.json"}, {dir / "empty", "empty.txt"}};
    run_copy(model, layout, dir);
    REQUIRE(read_file(dir / "out/extra/tokenizer.json") == large);
    REQUIRE(read_file(dir / "out/empty.txt").empty());
}

TEST_CASE("a file that changed since it was indexed is refused, and no output is left") {
    const TempDir dir;
    SmallModel model(1, dir.path());
    model.add_rows("w", 1, {{1, 2}});
    model.index.files[0].bytes = 9;
    REQUIRE(error_of([&] { run_copy(model, layout_of(model.plan), dir); }) ==
            dir / "rank0" + ": had 9 bytes when it was indexed, has 8 now: it is being written");
    REQUIRE(dir.entries() == std::vector<std::string>{"rank0"});
}

TEST_CASE("an output that the disk refuses is an error, and nothing of it is left") {
    const TempDir dir;
    SmallModel model(1, dir.path());
    model.add_rows("w", 1, {std::vector<float>(100000, 1)});
    const Layout layout = layout_of(model.plan);
    model.write_files();
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    ::getrlimit(RLIMIT_FSIZE, &before);
    const rlimit small{100000, before.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
    const std::string text = error_of([&] { Stage(dir / "a/out", layout, false); });
    ::setrlimit(RLIMIT_FSIZE, &before);
    REQUIRE(text == dir / "a/out/model.bin" + ": cannot have the 400,000 bytes that it needs: File too large");
    REQUIRE(dir.entries() == std::vector<std::string>{"rank0"});
}
