#include "pipeline/pipeline.hpp"
#include "support/catch.hpp"
#include "support/temp_dir.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

/// A pipeline in which no key has its default.
Pipeline unusual() {
    Pipeline p;
    p.input = {
        "/data/it's \"here\"", "fsdp", "/assets", "state.model", {{"opaque", {"a.B"}}, {"half", 0.5}, {"one", 1.0}}};
    p.merge = {"tensor_parallel", "llama", true, {{"mesh", {{"tp", 2}}}}};
    p.select.names = "megatron";
    p.select.strip = {"wrapped."};
    p.select.rename = {{R"(^backbone\.(.*))", R"(model.\1)"}};
    p.select.keep = {"^a$"};
    p.select.drop = {R"(\.rotary_emb\.inv_freq$)", "tab\there"};
    p.outputs = {{"/out/hf", "safetensors", "bf16", "2GB", "keep", "separate", nlohmann::json::object()},
                 {"/out/m.gguf", "gguf", "q8_0", "", "/own/names.toml", "stacked", {{"pre", "qwen2"}}}};
    p.engine = {3, 8, {"/plugins"}};
    return p;
}

Pipeline reread(const Pipeline& pipeline) {
    const TempDir directory;
    write_file(directory / "p.toml", to_toml(pipeline));
    return load_pipeline(directory / "p.toml", {}, true);
}

}  // namespace

TEST_CASE("a printed pipeline reads back to the same values") {
    const Pipeline p = unusual(), r = reread(p);
    CHECK(r.input.path == p.input.path);
    CHECK(r.input.reader == p.input.reader);
    CHECK(r.input.assets == p.input.assets);
    CHECK(r.input.root == p.input.root);
    CHECK(r.input.options == p.input.options);
    CHECK(r.merge.merger == p.merge.merger);
    CHECK(r.merge.rules == p.merge.rules);
    CHECK(r.merge.verify_replicas == p.merge.verify_replicas);
    CHECK(r.merge.options == p.merge.options);
    CHECK(r.select.names == p.select.names);
    CHECK(r.select.strip == p.select.strip);
    CHECK(r.select.rename[0].from == p.select.rename[0].from);
    CHECK(r.select.rename[0].to == p.select.rename[0].to);
    CHECK(r.select.keep == p.select.keep);
    CHECK(r.select.drop == p.select.drop);
    CHECK(r.engine.threads == p.engine.threads);
    CHECK(r.engine.tile_mib == p.engine.tile_mib);
    CHECK(r.engine.plugin_path == p.engine.plugin_path);
}

TEST_CASE("a printed pipeline has every output") {
    const Pipeline p = unusual(), r = reread(p);
    REQUIRE(r.outputs.size() == p.outputs.size());
    for (std::size_t i = 0; i < p.outputs.size(); ++i) {
        CHECK(r.outputs[i].path == p.outputs[i].path);
        CHECK(r.outputs[i].writer == p.outputs[i].writer);
        CHECK(r.outputs[i].names == p.outputs[i].names);
        CHECK(r.outputs[i].experts == p.outputs[i].experts);
        CHECK(r.outputs[i].dtype == p.outputs[i].dtype);
        CHECK(r.outputs[i].max_shard_size == p.outputs[i].max_shard_size);
        CHECK(r.outputs[i].options == p.outputs[i].options);
    }
}

TEST_CASE("a printed pipeline prints the same again") {
    CHECK(to_toml(reread(unusual())) == to_toml(unusual()));
}

TEST_CASE("TOML strings are quoted as they need") {
    CHECK(toml_string("plain") == R"("plain")");
    CHECK(toml_string(R"(a\.b)") == R"('a\.b')");
    CHECK(toml_string(R"(it's \d)") == R"("it's \\d")");
    CHECK(toml_string("a\nb") == R"("a\u000ab")");
    CHECK_THROWS_WITH(toml_string("a\xff"), "'a\xff' is not UTF-8");
    CHECK(toml_string("\u202Ea\"\u0085\x1b[m\u2028\u00e4") == R"("\u202ea\"\u0085\u001b[m\u2028ä")");
}
