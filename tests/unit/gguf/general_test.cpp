#include "general.hpp"

#include "support/catch.hpp"

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

TEST_CASE("the model is named after config.json, then its directory, then the output") {
    using nlohmann::json;
    CHECK(model_name({{"_name_or_path", "Qwen/Qwen3-0.6B"}}, "/x/hf", "/y/out.gguf") == "Qwen3 0.6B");
    CHECK(model_name({{"_name_or_path", "/home/me/model"}}, "/x/my-model/", "/y/out.gguf") == "My Model");
    CHECK(model_name(json::object(), "/x/actor/huggingface", "/y/tuned-q8_0.gguf") == "Tuned Q8_0");
}
