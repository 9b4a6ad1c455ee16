// The plugin through the real loader: layouts that the engine's verification accepts, and refusals.

#include "tiny_model.hpp"

#include "geometry/lower.hpp"
#include "support/bundled_plugins.hpp"
#include "support/catch.hpp"
#include "unshard/tools/json_file.hpp"
#include "verify/verify.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

class Job {
public:
    Job() {
        assets.write("models/tiny.toml", std::string(kTinyRules) + std::string(kTinyGguf));
        assets.write_json("config.json", tiny_config(3));
        assets.write_json("tokenizer.json", byte_level_tokenizer({"a", "b", "ab"}));
        plan.tensors = planned(kTinyTensors);
        for (PlannedTensor& experts : planned({{"model.layers.0.experts.all", Dims{3, 4, 8}}}))
            plan.tensors.push_back(experts);
        for (PlannedTensor& t : plan.tensors) {
            t.copies.push_back({0, 0, 0, contiguous_strides(t.shape), Box::whole(t.shape)});
        }
        request.output = "out/tuned.gguf";
        request.assets = assets.path();
    }

    Layout layout() {
        describe_model(request, read_json(assets.path("config.json")), {assets.path("models")});
        return writer->layout(plan, request);
    }

    /// With other lines in place of some in the model's file.
    void change_model(const std::string& old_text, const std::string& new_text) {
        std::string text = std::string(kTinyRules) + std::string(kTinyGguf);
        assets.write("models/tiny.toml", text.replace(text.find(old_text), old_text.size(), new_text));
    }

    Assets assets;
    Plan plan;
    Request request;
    std::unique_ptr<Writer> writer = bundled_plugins().writer("gguf");
};

}  // namespace

TEST_CASE("the engine accepts a GGUF layout of every type") {
    for (const char* dtype : {"f32", "f16", "bf16", "q8_0", "q4_k_m", "auto", "keep"}) {
        Job job;
        job.request.options["dtype"] = dtype;
        const Layout layout = job.layout();
        CHECK_NOTHROW(verify_layout(job.plan, layout, lower(job.plan, layout)));
        CHECK(layout.files.size() == 1);
        CHECK(layout.files.front().name.empty());
    }
}

TEST_CASE("split files are numbered, and each says which it is") {
    Job job;
    job.request.options["max_shard_size"] = "200";
    const Layout layout = job.layout();
    CHECK_NOTHROW(verify_layout(job.plan, layout, lower(job.plan, layout)));
    REQUIRE(layout.files.size() == 3);
    CHECK(layout.files[0].name == "tuned-00001-of-00003.gguf");
    CHECK(layout.files[2].name == "tuned-00003-of-00003.gguf");
    std::size_t headers = 0;
    for (const Literal& literal : layout.literals) {
        if (!literal.bytes.starts_with("GGUF")) continue;
        ++headers;
        CHECK(literal.bytes.find("split.tensors.count") != std::string::npos);
        CHECK((literal.bytes.find("general.architecture") != std::string::npos) == (literal.file == 0));
    }
    CHECK(headers == 3);
}

TEST_CASE("notes on the configuration become warnings") {
    Job job;
    nlohmann::json config = tiny_config(3);
    config["odd"] = true;
    job.assets.write_json("config.json", config);
    CHECK(job.layout().warnings == std::vector<std::string>{"config.json: 'odd' is true: llama.cpp is even"});
}

TEST_CASE("what llama.cpp would not load is refused: by config.json") {
    Job job;
    nlohmann::json config = tiny_config(3);
    config["sizes"] = {7, 12};
    job.assets.write_json("config.json", config);
    CHECK_NOTHROW(job.layout());
    config["sizes"] = {7, 13};
    job.assets.write_json("config.json", config);
    CHECK_THROWS_WITH(job.layout(), "config.json: 'sizes' is [7,13]: nothing loads it");
}

TEST_CASE("what llama.cpp would not load is refused: a tensor that it does not have, or lacks") {
    Job job;
    job.change_model(", \"blk.{layer}.ffn_gate_exps.weight\"", "");
    CHECK_THROWS_WITH(job.layout(),
                      Catch::Matchers::EndsWith("has no tensor 'blk.0.ffn_gate_exps.weight' in architecture "
                                                "'tiny' and would not load the file"));
    job.change_model("\"output.weight\"", "'blk.{layer}.sinks.weight', \"output.weight\"");
    CHECK_THROWS_WITH(job.layout(),
                      "llama.cpp needs a tensor 'blk.0.sinks.weight' in architecture 'tiny', for which "
                      "this model has nothing: it would not load the file");
}

TEST_CASE("an embedding of more rows than any vocabulary has is refused before a token is made for each") {
    Job job;
    nlohmann::json config = tiny_config(3);
    config["vocab_size"] = 1 << 27;
    job.assets.write_json("config.json", config);
    job.plan.tensors[0].shape = Dims{1 << 27, 8};
    CHECK_THROWS_WITH(job.layout(),
                      "token_embd.weight: the embedding has 134217728 rows, a token for each: at most "
                      "1048576 are sensible");
}

TEST_CASE("the types of llama-quantize leave outer sizes of 1 out of the header, the converter's own keep them") {
    for (const bool mixes_types : {false, true}) {
        Job job;
        nlohmann::json config = tiny_config(1);
        job.assets.write_json("config.json", config);
        job.plan.tensors.back().shape = job.plan.tensors.back().view = Dims{1, 4, 8};
        job.plan.tensors.back().copies.front().box = Box::whole(Dims{1, 4, 8});
        job.request.options["dtype"] = mixes_types ? "q4_0" : "f32";
        const Layout layout = job.layout();
        const std::string& header = layout.literals.front().bytes;
        const std::string name = "blk.0.ffn_up_exps.weight";
        CHECK(static_cast<int>(header.at(header.find(name) + name.size())) == (mixes_types ? 2 : 3));
        CHECK_NOTHROW(verify_layout(job.plan, layout, lower(job.plan, layout)));
    }
}

TEST_CASE("a model without assets or of a type that GGUF does not take is refused") {
    Job job;
    job.plan.tensors[1].dtype = DType::f8e4m3;
    CHECK_THROWS_WITH(job.layout(), "model.layers.0.q.weight: is f8e4m3: GGUF takes f64, f32, f16 and bf16");
    job.request.assets.clear();
    CHECK_THROWS_WITH(job.layout(),
                      "writer 'gguf' needs the model's config.json and tokenizer: pass the directory that has "
                      "them, --assets DIR");
}

TEST_CASE("a missing tokenizer is an error before anything is written") {
    Job job;
    std::filesystem::remove(job.assets.path("tokenizer.json"));
    CHECK_THROWS_WITH(job.layout(), job.assets.path() +
                                        ": there is no tokenizer.json: a GGUF file holds the model's tokenizer: "
                                        "pass the directory that has it, --assets DIR");
}

TEST_CASE("blocks are encoded, and NaN or infinity refused") {
    Job job;
    job.request.options["dtype"] = "q8_0";
    nlohmann::json config = tiny_config(3);
    config["hidden_size"] = 32;
    job.assets.write_json("config.json", config);
    for (PlannedTensor& t : job.plan.tensors) {
        for (std::size_t i = 0; i < t.shape.rank(); ++i) t.shape[i] = t.shape[i] == 8 ? 32 : t.shape[i];
        t.view = t.shape;
    }
    const std::vector<Encoding> encodings = job.layout().encodings;
    const auto q8_0 =
        static_cast<std::uint32_t>(std::ranges::find(encodings, "q8_0", &Encoding::name) - encodings.begin());
    const auto f32 =
        static_cast<std::uint32_t>(std::ranges::find(encodings, "f32", &Encoding::name) - encodings.begin());
    std::vector<float> values(32, 0.0F);
    values[3] = -127;
    std::vector<std::byte> out(34);
    job.writer->encode(q8_0, values, 32, out);
    CHECK(out[1] == std::byte{0x3c});
    CHECK(out[2 + 3] == std::byte{0x81});
    values[5] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH(job.writer->encode(q8_0, values, 32, out),
                      "a NaN or an infinity cannot be stored as 'q8_0': use f32, f16 or bf16");
    values[5] = 3e38F;
    CHECK_THROWS_WITH(job.writer->encode(q8_0, values, 32, out), "values are too large for 'q8_0': use f32 or bf16");
    CHECK_THROWS_AS(job.writer->encode(f32, values, 32, out), Error);
    CHECK_THROWS_AS(job.writer->encode(99, values, 32, out), Error);
}
