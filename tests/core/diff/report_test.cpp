#include "diff/diff.hpp"

#include "support/catch.hpp"

using namespace unshard;

namespace {

DiffReport empty_report() {
    DiffReport report;
    report.a = {"ckpt", "FSDP, 4 ranks", "fsdp", "placement", 3, {}};
    report.b = {"hf", "safetensors, 1 file", "safetensors", "placement", 3, {}};
    report.bytes_compared = 2048;
    return report;
}

DifferentTensor different(const std::string& name, const std::string& type_b, ValueDifference values) {
    return {{name, "bf16", {4, 3}, {}}, {name, type_b, {4, 3}, {}}, PairDifference{values, "1 and 2"}, false};
}

const std::string kSides =
    "A  ckpt: FSDP, 4 ranks, 3 tensors (reader fsdp, merger placement)\n"
    "B  hf: safetensors, 1 file, 3 tensors (reader safetensors, merger placement)\n";

}  // namespace

TEST_CASE("two models that are the same take three lines") {
    DiffReport report = empty_report();
    report.equal_tensors = 3;
    report.configuration.equal = {"config.json", "tokenizer.json"};
    CHECK(report.is_same());
    CHECK(to_text(report) ==
          kSides +
              "the same: 3 tensors, every byte is equal; equal too: config.json, tokenizer.json; compared 2.00 KiB in "
              "0.0 s\n");
    report.configuration = {{}, {}, "B has no config.json"};
    CHECK(to_text(report).find("; only tensors were compared: B has no config.json; ") != std::string::npos);
    report.configuration = {{}, {"tokenizer.json: its bytes differ"}, {}};
    CHECK_FALSE(report.is_same());
}

TEST_CASE("only what differs is shown, layers together") {
    DiffReport report = empty_report();
    report.only_in_b = {{"lm_head.weight", "bf16", {8, 3}, "tied to 'embed'"}};
    report.different = {different("layers.0.w", "bf16", {1, 5, 0.5, 0}),
                        different("layers.1.w", "bf16", {2, 3, 0.25, 1}), different("norm", "bf16", {1, 7, 1, 0}),
                        different("bias", "f32", {})};
    report.different.push_back({{"v", "f32", {2}, {}}, {"v", "f32", {3}, {}}, {}, false});
    report.different.push_back(
        {{"q", "q4_k", {2, 256}, {}}, {"q", "q4_k", {2, 256}, {}}, PairDifference{{7, 0, 99, 0}, "1 and 2"}, true});
    report.equal_tensors = 1;
    CHECK(to_text(report) ==
          kSides +
              "only in B:\n"
              "  lm_head.weight  bf16 (8, 3)    left out of the other: tied to 'embed'\n"
              "different:\n"
              "  layers.{0,1}.w  bf16 (4, 3)          x2  3 of 24 values differ, by 0.5 at most, "
              "1 NaN on one side only\n"
              "  norm            bf16 (4, 3)              1 of 12 values differ, by 1 at most; "
              "first at element 7: 1 and 2\n"
              "  bias            bf16 and f32 (4, 3)      the same values\n"
              "  v               f32 (2) and f32 (3)\n"
              "  q               q4_k (2, 256)            7 bytes of blocks differ\n"
              "different: 1 tensor equal, 6 not (1 of them the same values in another type), 1 only in "
              "B; compared 2.00 KiB in 0.0 s\n");
}

TEST_CASE("JSON has every number, and no infinity") {
    DiffReport report = empty_report();
    ValueDifference values{1, 5, std::numeric_limits<double>::infinity(), 0};
    report.different = {different("w", "f32", values)};
    const nlohmann::ordered_json json = to_json(report);
    CHECK(json["same"] == false);
    CHECK(json["different"] == nlohmann::ordered_json::parse(R"([{"name": "w",
        "a": {"type": "bf16", "shape": [4, 3]}, "b": {"type": "f32", "shape": [4, 3]}, "compared": "values",
        "differing": 1, "max_difference": "inf", "nan_on_one_side": 0,
        "first": {"element": 5, "values": "1 and 2"}}])"));
}
