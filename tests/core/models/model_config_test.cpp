// tests/interop/test_config.py holds the same against transformers, by the thousand.

#include "models/model_config.hpp"

#include "rules_support.hpp"
#include "support/catch.hpp"
#include "unshard/tools/error.hpp"

using namespace unshard;
using namespace unshard::test;
using nlohmann::json;

namespace {

ModelConfig read(const json& config) {
    return model_config(config, std::vector{bundled_models()});
}

json rope_of(json config, const char* model_type) {
    config["model_type"] = model_type;
    return read(config).settings["rope_parameters"];
}

}  // namespace

TEST_CASE("absent settings are the defaults of the class that model_type names") {
    const json text = read({{"model_type", "llama"}, {"hidden_size", 64}, {"num_attention_heads", 4}}).settings;
    CHECK(text["head_dim"] == 16);
    CHECK(text["num_key_value_heads"] == 4);
    CHECK(text["rms_norm_eps"] == 1e-6);
    CHECK(read({{"model_type", "gemma"}}).settings["tie_word_embeddings"] == true);
    CHECK(read({{"model_type", "qwen2"}}).settings["tie_word_embeddings"] == false);
}

TEST_CASE(
    "rope_scaling that says something takes the place of rope_parameters, and rope_theta of the root comes along") {
    const json parameters = {{"rope_type", "default"}, {"rope_theta", 1e6}};
    const json yarn = {{"rope_type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32768}};
    json expected = yarn;
    expected["rope_theta"] = 10000.0;
    CHECK(rope_of({{"rope_parameters", parameters}, {"rope_scaling", yarn}}, "qwen3") == expected);
    expected["rope_theta"] = 5e5;
    CHECK(rope_of({{"rope_parameters", parameters}, {"rope_scaling", yarn}, {"rope_theta", 5e5}}, "qwen3") == expected);
    CHECK(rope_of({{"rope_parameters", parameters}, {"rope_scaling", nullptr}}, "qwen3") == parameters);
    CHECK(rope_of({{"rope_parameters", parameters}, {"rope_scaling", json::object()}}, "qwen3") == parameters);
}

TEST_CASE("YaRN without an original length takes the model's own; one at the root wins over all") {
    const json yarn = {{"type", "yarn"}, {"factor", 4.0}};
    const char* original = "original_max_position_embeddings";
    CHECK(rope_of({{"rope_scaling", yarn}, {"max_position_embeddings", 256}}, "llama")[original] == 256);
    CHECK(rope_of({{"rope_scaling", yarn}, {original, 32}}, "llama")[original] == 32);
}

TEST_CASE("Gemma 3 and OLMo 3 scale full attention alone, by the word rope_type, and look at no flat settings") {
    const json scaling = {{"rope_type", "linear"}, {"factor", 8.0}};
    const json gemma =
        rope_of({{"rope_scaling", scaling}, {"rope_theta", 5e5}, {"rope_local_base_freq", 7.0}}, "gemma3_text");
    CHECK(gemma["full_attention"] == json{{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 5e5}});
    CHECK(gemma["sliding_attention"] == json{{"rope_type", "default"}, {"rope_theta", 7.0}});
    const json old_word = rope_of({{"rope_scaling", {{"type", "linear"}, {"factor", 8.0}}}}, "gemma3_text");
    CHECK(old_word["full_attention"]["rope_type"] == "default");
    const json flat = rope_of({{"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 3.0}}}}, "gemma3_text");
    CHECK(flat["full_attention"]["rope_theta"] == 1e6);
    CHECK(rope_of({{"rope_theta", 9.0}}, "olmo3")["full_attention"]["rope_theta"] == 9.0);
    CHECK(rope_of({{"rope_theta", 9.0}}, "olmo3")["sliding_attention"]["rope_theta"] == 5e5);
}

TEST_CASE("layer types without a word are the class's pattern") {
    const json olmo = read({{"model_type", "olmo3"}, {"num_hidden_layers", 4}}).settings["layer_types"];
    CHECK(olmo == json{"sliding_attention", "sliding_attention", "sliding_attention", "full_attention"});
    const json qwen =
        read(
            {{"model_type", "qwen2"}, {"num_hidden_layers", 2}, {"use_sliding_window", true}, {"max_window_layers", 1}})
            .settings;
    CHECK(qwen["layer_types"] == json{"full_attention", "sliding_attention"});
    CHECK(read({{"model_type", "qwen2"}, {"sliding_window", 7}}).settings["sliding_window"] == nullptr);
    CHECK(message_of([] { read({{"model_type", "olmo3"}, {"num_hidden_layers", 1 << 30}}); }) ==
          "config.json: 'num_hidden_layers' is 1073741824: it must be a whole number up to 65536");
}

TEST_CASE("a model of several parts has its language model's settings in text_config, the tie at the root") {
    const ModelConfig gemma = read({{"model_type", "gemma3"},
                                    {"hidden_size", 1},
                                    {"tie_word_embeddings", true},
                                    {"text_config", {{"hidden_size", 64}, {"tie_word_embeddings", false}}}});
    CHECK(gemma.settings["hidden_size"] == 64);
    CHECK(gemma.settings["head_dim"] == 256);
    CHECK(gemma.settings["tie_word_embeddings"] == true);
    const ModelConfig unknown = read({{"model_type", "x"}, {"a", 1}, {"text_config", {{"a", 2}}}});
    CHECK(unknown.settings["a"] == 2);
}

TEST_CASE("rope settings of a class that is not known are found under the names that such classes use") {
    const json stablelm =
        read({{"model_type", "stablelm_epoch"}, {"rope_pct", 0.25}, {"rotary_emb_base", 1e5}}).settings;
    CHECK(stablelm["rope_parameters"] ==
          json{{"rope_type", "default"}, {"rope_theta", 1e5}, {"partial_rotary_factor", 0.25}});
}

TEST_CASE("a config.json without architectures is of the class that its model_type stands for, with a word") {
    const ModelConfig config = read({{"model_type", "qwen2"}});
    CHECK(config.settings["architectures"] == json::array({"Qwen2ForCausalLM"}));
    CHECK(config.warnings == std::vector<std::string>{
                                 "config.json: it has no 'architectures': taken for Qwen2ForCausalLM, which model_type "
                                 "'qwen2' stands for: others need the line \"architectures\": [\"Qwen2ForCausalLM\"]"});
    CHECK_FALSE(read({{"model_type", "nonsense"}}).settings.contains("architectures"));
    CHECK(read({{"model_type", "qwen2"}, {"architectures", {"Mine"}}}).warnings.empty());
}

TEST_CASE("what cannot be settings is refused by name") {
    CHECK(message_of([] { read(json::array()); }) == "config.json: it is not a JSON object");
    CHECK(message_of([] { rope_of({{"rope_scaling", 3}}, "llama"); }) ==
          "config.json: 'rope_scaling' is 3: it must be an object");
    const json both = {{"rope_parameters", {{"rope_type", "default"}}}, {"rope_scaling", {{"rope_type", "linear"}}}};
    CHECK(message_of([&] { rope_of(both, "gemma3_text"); }) ==
          "config.json: there is a 'rope_scaling', which says how 'full_attention' in 'rope_parameters' differs, but "
          "that is "
          "not there: take one of the two out");
}
