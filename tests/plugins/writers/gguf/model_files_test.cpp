// The files of configs/models themselves.

#include "find_model.hpp"

#include "assets.hpp"
#include "support/catch.hpp"
#include "support/model_request.hpp"
#include "unshard/tools/error.hpp"

#include <algorithm>

using namespace unshard;
using namespace unshard::gguf;

namespace {

/// Whether the table says what becomes of a tensor of the rules.
bool is_described(const GgufModel& model, const std::string& name) {
    static const std::vector<std::string> kSuffixes = {"", ".weight", ".bias"};
    const auto is_named = [&](const std::string& suffix) {
        return name.ends_with(suffix) && model.tensors.contains(name.substr(0, name.size() - suffix.size()));
    };
    return std::any_of(kSuffixes.begin(), kSuffixes.end(), is_named);
}

}  // namespace

TEST_CASE("every tensor of every model has its place in GGUF") {
    const ModelFiles files({test::models_directory()});
    const std::set<std::string> architectures = files.architectures_by_table().at("tensors");
    for (const std::string& architecture : architectures) {
        const Document file = files.find(architecture).value();
        const ModelRules rules = rules_of(file);
        const std::optional<GgufModel> model = gguf_model_of(file, rules);
        INFO(rules.file);
        REQUIRE(model);
        for (const TensorRule& rule : rules.tensors) {
            INFO(rules.file << ": " << rule.name.text());
            CHECK(is_described(*model, rule.name.text()));
        }
    }
}

TEST_CASE("an unknown architecture is refused with the known ones") {
    const std::string directory = test::models_directory();
    try {
        find_model(test::request_for({{"architectures", {"MambaForCausalLM"}}}, {directory}));
        FAIL("accepted");
    } catch (const Error& e) {
        const std::string text = e.what();
        CHECK(
            text.starts_with("config.json: architecture 'MambaForCausalLM' is not known to writer 'gguf': known are "));
        CHECK(text.find("Gemma3ForCausalLM, ") != std::string::npos);
        CHECK(text.ends_with("can be put into a directory and that be named, --set output.options.model_dir=DIR"));
    }
    CHECK_THROWS_AS(find_model(test::request_for(nlohmann::json::object(), {directory})), Error);
}

TEST_CASE("the text part of a multimodal model can name its own architecture") {
    const FoundModel found = find_model(test::request_for({{"architectures", {"SomethingForConditionalGeneration"}},
                                                           {"text_config", {{"architectures", {"Qwen3ForCausalLM"}}}}},
                                                          {test::models_directory()}));
    CHECK(found.gguf.arch == "qwen3");
}

TEST_CASE("a model in the user's directory comes before an installed one") {
    const test::Assets mine;
    mine.write("qwen3.toml", R"(
architectures = ["Qwen3ForCausalLM"]
config.layers = "num_hidden_layers"
tensors = []
[gguf]
arch = "mine"
llama_cpp = { needs = ["token_embd.weight"] }
tokenizer.kinds = ["json"]
tensors = {}
)");
    const nlohmann::json config = {{"architectures", {"Qwen3ForCausalLM"}}};
    CHECK(find_model(test::request_for(config, {mine.path(), test::models_directory()})).gguf.arch == "mine");
}

TEST_CASE("an architecture that llama.cpp is not known to have is refused") {
    const test::Assets mine;
    mine.write(
        "qwen3.toml",
        "architectures = ['Qwen3ForCausalLM']\ntensors = []\n[gguf]\narch = 'qwen33'\ntokenizer.kinds = ['json']\n"
        "tensors = {}\n");
    CHECK_THROWS_WITH(find_model(test::request_for({{"architectures", {"Qwen3ForCausalLM"}}}, {mine.path()})),
                      mine.path("qwen3.toml") +
                          ": arch 'qwen33' is none of llama.cpp's that writer 'gguf' knows: if yours has it, say in "
                          "[gguf.llama_cpp] which tensors it needs and takes");
}

TEST_CASE("a model file of the user's without a GGUF table has the installed one's") {
    const test::Assets mine;
    mine.write("rules.toml", R"(
architectures = ["StableLmForCausalLM"]
config.layers = "num_hidden_layers"
tensors = []
[my_writer]
depth = 3
)");
    const Request request =
        test::request_for({{"architectures", {"StableLmForCausalLM"}}}, {mine.path(), test::models_directory()});
    CHECK(request.model["file"] == mine.path("rules.toml"));
    CHECK(request.model["tables"]["my_writer"]["depth"] == 3);
    CHECK(request.model["tables"]["gguf"]["arch"] == "stablelm");
}
