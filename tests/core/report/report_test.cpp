#include "report/report.hpp"
#include "report/progress.hpp"
#include "report/report_common.hpp"
#include "support/catch.hpp"
#include "text/printable.hpp"
#include "text/quantity.hpp"

using namespace unshard;

namespace {

RunReport sample() {
    RunReport r;
    r.input = "ckpt";
    r.format = "FSDP, 4 ranks";
    r.reader = "fsdp";
    r.merger = "placement";
    r.assets = "ckpt/huggingface";
    r.ranks = r.source_files = 4;
    r.source_bytes = 3ULL << 30;
    r.tensors = 311;
    r.parameters = 1720574976;
    r.dropped = {{"lm_head.weight", "tied to 'model.embed_tokens.weight'"}};
    r.outputs = {{"out", "safetensors", {{"model.safetensors", 3ULL << 30}}, 3ULL << 30, 311, {"tokenizer.json"}, {}}};
    return r;
}

}  // namespace

TEST_CASE("amounts are written for people") {
    CHECK(count_of(1, "tensor") == "1 tensor");
    CHECK(count_of(1720574976, "parameter") == "1,720,574,976 parameters");
    CHECK(size_text(1) == "1 byte");
    CHECK(size_text(1023) == "1,023 bytes");
    CHECK(size_text(1536) == "1.50 KiB");
    CHECK(size_text((1ULL << 30) - 1) == "1.00 GiB");
    CHECK(rate_text(1ULL << 30, 2) == "0.50 GiB/s");
    CHECK(rate_text(1ULL << 20, 2) == "0.5 MiB/s");
    CHECK(rate_text(1ULL << 30, 0).empty());
    CHECK(duration_text(0.44) == "0.4 s");
    CHECK(duration_text(59.4) == "59 s");
    CHECK(duration_text(61) == "1 min 01 s");
    CHECK(duration_text(7500) == "2 h 05 min");
}

TEST_CASE("progress claims no speed before there is one") {
    CHECK(progress_text(0, 4ULL << 30, 9) == "  0%  0 bytes of 4.00 GiB");
    CHECK(progress_text(1ULL << 30, 4ULL << 30, 0.1) == " 25%  1.00 GiB of 4.00 GiB");
    CHECK(progress_text(1ULL << 30, 4ULL << 30, 2) == " 25%  1.00 GiB of 4.00 GiB  0.50 GiB/s  6.0 s left");
    CHECK(progress_text(5ULL << 30, 4ULL << 30, 2) == "100%  4.00 GiB of 4.00 GiB  2.00 GiB/s");
    CHECK(progress_text(0, 0, 0) == "100%  0 bytes of 0 bytes");
}

TEST_CASE("control characters cannot break a line") {
    CHECK(printable("a\nb\tc\x1b[2J\x7f") == "a\\nb\\tc\\x1b[2J\\x7f");
    CHECK(printable("schön 'a'") == "schön 'a'");
    CHECK(printable("\u009b31m") == "\\xc2\\x9b31m");  // C1: terminals take it for ESC [
    CHECK(printable("a\xff\xe2\x82") == "a\\xff\\xe2\\x82");
}

TEST_CASE("what was left out is grouped by reason, long lists end in a count") {
    std::vector<Dropped> dropped = {{"lm_head.weight", "tied"}};
    for (const char* name : {"a.0.x", "a.1.x", "b", "c", "d", "e", "f"}) dropped.push_back({name, "no tensor"});
    CHECK(dropped_text(dropped) ==
          "  lm_head.weight: tied\n"
          "  a.{0,1}.x, b, c, d and 2 more: no tensor\n");
}

TEST_CASE("a plan names every file and says that nothing was written") {
    CHECK(to_text(sample(), true) ==
          "ckpt: FSDP, 4 ranks (reader fsdp, merger placement)\n"
          "  4 files, 3.00 GiB; 311 tensors, 1,720,574,976 parameters\n"
          "  configuration and tokenizer from ckpt/huggingface\n"
          "left out 1:\n"
          "  lm_head.weight: tied to 'model.embed_tokens.weight'\n"
          "out: safetensors, 311 tensors in 1 file, 3.00 GiB\n"
          "  model.safetensors  3.00 GiB\n"
          "  copied beside: tokenizer.json\n"
          "nothing was written: this is the plan\n");
}

TEST_CASE("a summary ends in the effort and what was compared") {
    RunReport r = sample();
    r.copied = {3ULL << 30, 1 << 20, 2, {"a", "b"}, 1 << 20};
    r.seconds = 2;
    const std::string text = to_text(r, false);
    CHECK(text.find("\nwrote 3.00 GiB in 2.0 s (1.50 GiB/s), peak memory ") != std::string::npos);
    CHECK(text.ends_with("compared 1.00 MiB of replicas: equal\n"));
    r.copied.replicas = 5 << 20;
    CHECK(to_text(r, false).find("\ncompared a sample of the replicas, 1.00 MiB of 5.00 MiB: equal; --verify-replicas "
                                 "compares all\n") != std::string::npos);
}

TEST_CASE("the report as JSON has everything, exact") {
    const auto json = to_json(sample(), true);
    CHECK(json["parameters"] == 1720574976);
    CHECK(json["dry_run"] == true);
    CHECK(json["dropped"][0]["name"] == "lm_head.weight");
    CHECK(json["outputs"][0]["files"][0]["bytes"] == 3ULL << 30);
    CHECK(json["outputs"][0]["assets"][0] == "tokenizer.json");
    CHECK(json["peak_memory_bytes"] > 1 << 20);
}
