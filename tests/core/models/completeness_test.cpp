#include "models/completeness.hpp"
#include "rules_support.hpp"
#include "support/catch.hpp"

#include <algorithm>

using namespace unshard;
using namespace unshard::test;

namespace {

constexpr std::string_view kRules = R"(
architectures = ["ToyMoe"]
config.hidden  = "hidden_size"
config.layers  = "num_hidden_layers"
config.experts = "num_experts"
config.ff      = "moe_intermediate_size"
config.tied    = { field = "tie_word_embeddings", default = false }
prefixes."text." = ""
outside = ["vision."]
tensors = [
    { name = "embed",                      shape = [5, "hidden"],    split = "vocabulary" },
    { name = "l.{layer}.dense",            shape = ["hidden"],       split = "replicated", when = "layer == 0" },
    { name = "l.{layer}.e.{expert}.gate",  shape = ["ff", "hidden"], split = "column", when = "layer > 0" },
    { name = "l.{layer}.e.{expert}.up",    shape = ["ff", "hidden"], split = "column", when = "layer > 0" },
    { name = "lm_head",                    shape = [5, "hidden"],    split = "vocabulary", optional = "tied" },
]
alternatives = [{ name = "l.{layer}.e.gate_up", parts = ["l.{layer}.e.{expert}.gate", "l.{layer}.e.{expert}.up"] }]
fused = [{ name = "l.{layer}.e.{expert}.fused", parts = ["l.{layer}.e.{expert}.gate", "l.{layer}.e.{expert}.up"] }]
)";

const nlohmann::json kConfig = {
    {"hidden_size", 4}, {"num_hidden_layers", 2}, {"num_experts", 2}, {"moe_intermediate_size", 3}};

Completeness check(const std::vector<NamedShape>& model, const nlohmann::json& config = kConfig) {
    const ModelRules rules = rules_of(kRules);
    return check_completeness(rules, config_values(rules, config), model);
}

std::vector<NamedShape> separate_model() {
    return {{"embed", {5, 4}},        {"l.0.dense", {4}},     {"l.1.e.0.gate", {3, 4}}, {"l.1.e.0.up", {3, 4}},
            {"l.1.e.1.gate", {3, 4}}, {"l.1.e.1.up", {3, 4}}, {"lm_head", {5, 4}}};
}

}  // namespace

TEST_CASE("a model with experts one by one is complete, and so is one with stacked experts") {
    CHECK(check(separate_model()) == Completeness{});
    CHECK(check({{"embed", {5, 4}}, {"l.0.dense", {4}}, {"l.1.e.gate_up", {2, 6, 4}}, {"lm_head", {5, 4}}}) ==
          Completeness{});
}

TEST_CASE("buffers and layers behind the model's own are passed over, what only looks like them is not") {
    const ModelRules rules = rules_of("buffers = ['attn.bias']\nextra_layers = 'l.{layer}.'\n" + std::string(kRules));
    std::vector<NamedShape> model = separate_model();
    const auto found = [&] { return check_completeness(rules, config_values(rules, kConfig), model); };
    for (const char* name : {"attn.bias", "l.1.attn.bias", "l.2.dense", "text.l.9.anything"}) {
        model.push_back({name, {7}});
    }
    CHECK(found() == Completeness{});
    for (const char* name : {"l.1.c_attn.bias", "l.1.other", "l.x.dense"}) model.push_back({name, {7}});
    CHECK(found().unexpected == std::vector<std::string>{"l.1.c_attn.bias", "l.1.other", "l.x.dense"});
}

TEST_CASE("what is missing is listed in the rules' order") {
    CHECK(check({{"embed", {5, 4}}, {"l.1.e.1.gate", {3, 4}}}) ==
          Completeness{{"l.0.dense", "l.1.e.0.gate", "l.1.e.0.up", "l.1.e.1.up", "lm_head"}, {}, {}});
}

TEST_CASE("an optional tensor may be missing while its condition holds") {
    std::vector<NamedShape> model = separate_model();
    model.pop_back();
    nlohmann::json tied = kConfig;
    tied["tie_word_embeddings"] = true;
    CHECK(check(model, tied) == Completeness{});
    CHECK(check(model) == Completeness{{"lm_head"}, {}, {}});
}

TEST_CASE("what the model does not have is unexpected") {
    std::vector<NamedShape> model = separate_model();
    model.insert(model.end(), {{"bias", {4}},
                               {"l.2.e.0.up", {3, 4}},
                               {"l.1.dense", {4}},
                               {"l.1.e.2.up", {3, 4}},
                               {"l.0.e.gate_up", {2, 6, 4}},
                               {"l.1.e.0.fused", {6, 4}}});
    CHECK(check(model) ==
          Completeness{{}, {"bias", "l.2.e.0.up", "l.1.dense", "l.1.e.2.up", "l.0.e.gate_up", "l.1.e.0.fused"}, {}});
}

TEST_CASE("a tensor in two forms or under two names is unexpected") {
    std::vector<NamedShape> model = separate_model();
    model.insert(model.end(), {{"l.1.e.gate_up", {2, 6, 4}}, {"text.embed", {5, 4}}});
    CHECK(check(model) == Completeness{{}, {"l.1.e.gate_up", "text.embed"}, {}});
}

TEST_CASE("names of the multimodal model stand for the rules' own, and what lies outside is let through") {
    std::vector<NamedShape> model = separate_model();
    for (NamedShape& tensor : model) tensor.name.insert(0, "text.");
    model.push_back({"vision.anything", {7}});
    CHECK(check(model) == Completeness{});
}

TEST_CASE("wrong shapes are told with both") {
    std::vector<NamedShape> model = separate_model();
    model[0].shape = {6, 4};
    model[3].shape = {3, 4, 1};
    CHECK(check(model) == Completeness{{}, {}, {{"embed", {6, 4}, {5, 4}}, {"l.1.e.0.up", {3, 4, 1}, {3, 4}}}});
}

TEST_CASE("a config.json with absurd counts is refused before anything is counted") {
    nlohmann::json config = kConfig;
    config["num_hidden_layers"] = 1 << 20;
    CHECK(message_of([&] { check({}, config); }) == "config.json: 1048576 layers: at most 65536 are sensible");
    config["num_hidden_layers"] = 60000;
    config["num_experts"] = 60000;
    CHECK(message_of([&] { check({}, config); }) ==
          "config.json: it makes a model of 7200060002 tensors: at most 4194304 are sensible");
}
