#include "general.hpp"

#include "assets.hpp"
#include "pooling.hpp"
#include "support/catch.hpp"
#include "unshard/tools/error.hpp"

using namespace unshard;
using namespace unshard::gguf;

TEST_CASE("a size label has two significant digits, or all of a longer whole part") {
    const auto label = [](std::uint64_t count) {
        return size_label(std::vector<TensorInfo>{{"t", Dims{count}, Type::f32}});
    };
    CHECK(label(8'030'261'248) == "8.0B");
    CHECK(label(70'553'706'496) == "71B");
    CHECK(label(124'439'808) == "124M");
    CHECK(label(494'032'768) == "494M");
    CHECK(label(1'235'814'400) == "1.2B");
    CHECK(label(115'000) == "115K");
    CHECK(label(400) == "0.40K");
}

TEST_CASE("a size label of a mixture counts one expert, beside the number of them") {
    const std::vector<TensorInfo> tensors = {{"token_embd.weight", Dims{100, 20}, Type::f32},
                                             {"blk.0.ffn_up_exps.weight", Dims{8, 1000, 10}, Type::f32},
                                             {"blk.0.ffn_up_exps.bias", Dims{8, 1000}, Type::f32}};
    CHECK(size_label(tensors) == "8x20K");
}

TEST_CASE("a name becomes a title, versions and acronyms stay") {
    CHECK(title_of("llama-2-7b") == "Llama 2 7b");
    CHECK(title_of("Qwen2.5-0.5B-instruct") == "Qwen2.5 0.5B Instruct");
    CHECK(title_of("my model v1.2") == "My Model v1.2");
    CHECK(title_of("vicuna-o'neill") == "Vicuna O'Neill");
}

TEST_CASE("a name that llama.cpp takes for Phi 3 is refused when the tokens that it looks for are not there") {
    KeyValues metadata;
    metadata.set("tokenizer.ggml.tokens", std::vector<std::string>{"<unk>", "<s>", "</s>"});
    for (const char* name : {"Qwen3", "Phi 3", "Phi 4"}) {
        metadata.set("general.name", std::string(name));
        CHECK_NOTHROW(check_name(metadata));
    }
    metadata.set("general.name", std::string("My Phi-3 Mini"));
    CHECK_THROWS_WITH(check_name(metadata),
                      "the model's name, 'My Phi-3 Mini', has 'phi-3' in it: llama.cpp then looks for the token "
                      "'<|endoftext|>', which it has not, and would not load the file: give it another name, "
                      "--set output.options.name=NAME");
    metadata.set("tokenizer.ggml.tokens", std::vector<std::string>{"<unk>", "<s>", "</s>", "<|endoftext|>"});
    CHECK_NOTHROW(check_name(metadata));
}

TEST_CASE("the model is named after config.json, or its directory when that says something") {
    using nlohmann::json;
    CHECK(model_name({{"_name_or_path", "Qwen/Qwen3-0.6B"}}, "/x/hf") == "Qwen3 0.6B");
    CHECK(model_name({{"_name_or_path", "/home/me/model"}}, "/x/my-model/") == "My Model");
    CHECK(model_name({{"model_type", "qwen3"}}, "/x/actor/huggingface") == "Qwen 3");
    CHECK(model_name({{"model_type", "deepseek_v3"}}, "/x/actor/huggingface") == "Deepseek v3");
    CHECK(model_name(json::object(), "/x/actor/huggingface") == "Huggingface");
}

TEST_CASE("sampling settings are numbers that fit their keys") {
    const test::Assets assets;
    KeyValues metadata;
    assets.write("generation_config.json", R"({"top_k": 40, "top_p": 0.5})");
    add_sampling(metadata, assets.path());
    CHECK(metadata.entries() == std::vector<std::pair<std::string, Value>>{{"general.sampling.top_k", std::int32_t{40}},
                                                                           {"general.sampling.top_p", 0.5F}});
    for (const char* bad : {"4294967297", "40.5", "18446744073709551615"}) {
        assets.write("generation_config.json", std::string(R"({"top_k": )") + bad + "}");
        CHECK_THROWS_WITH(add_sampling(metadata, assets.path()), assets.path("generation_config.json") +
                                                                     ": 'top_k' is " + bad +
                                                                     ": it must be a whole number of at most 32 bits");
    }
}

TEST_CASE("an embedding model says how it pools, in any of the two ways of writing it") {
    const test::Assets assets;
    const auto pooling = [&](const char* settings) {
        assets.write("1_Pooling/config.json", settings);
        KeyValues metadata;
        std::vector<std::string> warnings;
        add_pooling(metadata, "qwen3", assets.path(), warnings);
        return warnings.empty() ? std::to_string(metadata.count("qwen3.pooling_type")) : warnings.front();
    };
    CHECK(pooling("{}") == "0");  // there is no modules.json yet
    assets.write("modules.json", R"([{"type": "x.models.Transformer", "path": ""},
                                     {"type": "x.models.Pooling", "path": "1_Pooling"}])");
    CHECK(pooling(R"({"pooling_mode_lasttoken": true, "pooling_mode_mean_tokens": false})") == "3");
    CHECK(pooling(R"({"pooling_mode": "mean"})") == "1");
    CHECK(pooling(R"({"pooling_mode_cls_token": true})") == "2");
    CHECK(pooling(R"({"pooling_mode": "max"})") ==
          assets.path("1_Pooling/config.json") +
              ": llama.cpp pools by mean, cls or lasttoken, and none of these is set: the GGUF file does not say how "
              "embeddings are pooled");
}
