#include "rules_support.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

constexpr std::string_view kRules = R"(
architectures = ["ToyForCausalLM"]
config.heads    = "num_attention_heads"
config.hidden   = { field = ["n_embd", "hidden_size"] }
config.head_dim = { field = "head_dim", default = "hidden / heads" }
config.dense    = { field = "mlp_only_layers", default = [] }
config.tied     = { field = "tie_word_embeddings", default = true }
)";

std::string failure(const nlohmann::json& config) {
    ModelRules rules = rules_of(kRules);
    rules.file = "toy.toml";
    return message_of([&] { config_values(rules, config); });
}

}  // namespace

TEST_CASE("names take their fields, and defaults where config.json has none or null") {
    const nlohmann::json config = {{"num_attention_heads", 4}, {"hidden_size", 64}, {"head_dim", nullptr}};
    const Values expected{{{"heads", 4}, {"hidden", 64}, {"head_dim", 16}, {"tied", 1}}, {{"dense", {}}}};
    CHECK(config_values(rules_of(kRules), config) == expected);
}

TEST_CASE("given fields win over defaults, the first of several over the others") {
    const nlohmann::json config = {
        {"num_attention_heads", 4}, {"hidden_size", 64},         {"n_embd", 32},
        {"head_dim", 128},          {"mlp_only_layers", {1, 5}}, {"tie_word_embeddings", false}};
    const Values expected{{{"heads", 4}, {"hidden", 32}, {"head_dim", 128}, {"tied", 0}}, {{"dense", {1, 5}}}};
    CHECK(config_values(rules_of(kRules), config) == expected);
}

TEST_CASE("text_config comes before the root of config.json") {
    const nlohmann::json config = {{"hidden_size", 1},
                                   {"tie_word_embeddings", false},
                                   {"text_config", {{"num_attention_heads", 4}, {"hidden_size", 64}}}};
    const Values expected{{{"heads", 4}, {"hidden", 64}, {"head_dim", 16}, {"tied", 0}}, {{"dense", {}}}};
    CHECK(config_values(rules_of(kRules), config) == expected);
}

TEST_CASE("a field that is missing or no number is named") {
    CHECK(failure({{"hidden_size", 4}}) == "config.json: it has no 'num_attention_heads': toy.toml needs it");
    CHECK(failure({{"num_attention_heads", "4"}}) ==
          "config.json: 'num_attention_heads' is \"4\": it must be a whole number");
    CHECK(failure({{"num_attention_heads", -4}}) ==
          "config.json: 'num_attention_heads' is -4: it must be a whole number");
    CHECK(failure({{"num_attention_heads", 1.5}}) ==
          "config.json: 'num_attention_heads' is 1.5: it must be a whole number");
    CHECK(failure({{"num_attention_heads", 18446744073709551615ULL}}) ==
          "config.json: 'num_attention_heads' is 18446744073709551615: it must be a whole number");
    CHECK(failure({{"num_attention_heads", 4}, {"hidden_size", 8}, {"mlp_only_layers", 3}}) ==
          "config.json: 'mlp_only_layers' is 3: it must be a list of whole numbers");
    CHECK(failure({{"num_attention_heads", 0}, {"hidden_size", 8}}) == "'hidden / heads': cannot divide 8 by 0");
    CHECK(failure(nlohmann::json::array()) == "config.json: it is not a JSON object");
}
