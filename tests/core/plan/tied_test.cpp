#include "models/model_config.hpp"
#include "plan/select.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

const nlohmann::json kTied = {{"tie_word_embeddings", true}};

/// A tensor of one copy and one replica; `number` makes them differ from those of other tensors.
PlannedTensor tensor(const std::string& name, std::uint32_t number, Dims shape = {4, 2}) {
    const Copy piece{number, 0, 0, contiguous_strides(shape), Box::whole(shape)};
    Copy replica = piece;
    replica.shard = 1;
    return {name, DType::bf16, shape, shape, {piece}, {replica}, true};
}

Plan model(const std::string& embedding = "model.embed_tokens.weight") {
    Plan plan;
    plan.tensors = {tensor(embedding, 0), tensor("model.norm.weight", 1), tensor("lm_head.weight", 2)};
    return plan;
}

/// Settings of a class that is not known.
nlohmann::json settings_of(const nlohmann::json& config) {
    return model_config(config, {}).settings;
}

Plan select(Plan plan, const Pipeline::Select& rules, const nlohmann::json& config) {
    nlohmann::json changes = nlohmann::json::object();
    return Selection(rules).after_merge(std::move(plan), settings_of(config), config, changes);
}

/// What becomes of config.json when the head is kept.
nlohmann::json changes_when_kept(const nlohmann::json& config) {
    Pipeline::Select rules;
    rules.keep = {"lm_head"};
    nlohmann::json changes = nlohmann::json::object();
    Selection(rules).after_merge(model(), settings_of(config), config, changes);
    return changes;
}

std::vector<std::string> names_after(Plan plan, const nlohmann::json& config, const Pipeline::Select& rules = {}) {
    std::vector<std::string> names;
    for (const PlannedTensor& t : select(std::move(plan), rules, config).tensors) names.push_back(t.name);
    return names;
}

using Names = std::vector<std::string>;
const Names kWithout = {"model.embed_tokens.weight", "model.norm.weight"};
const Names kWith = {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"};

}  // namespace

TEST_CASE("a tied head is dropped and its pieces must equal the embedding") {
    const Plan plan = select(model(), {}, kTied);
    REQUIRE(plan.tensors.size() == 2);
    const PlannedTensor& embedding = plan.tensors[0];
    REQUIRE(embedding.replicas.size() == 3);
    CHECK(embedding.replicas[1].tensor == 2);
    CHECK(embedding.replicas[1].shard == 0);
    CHECK(embedding.replicas[2].tensor == 2);
    CHECK(embedding.replicas[2].shard == 1);
    CHECK_FALSE(embedding.replicas_stated);
    REQUIRE(plan.dropped.size() == 1);
    CHECK(plan.dropped[0].name == "lm_head.weight");
    CHECK(plan.dropped[0].why == "tied to 'model.embed_tokens.weight', to which it must be bit-identical");
}

TEST_CASE("a head is dropped only where the configuration says tied and nowhere denies it") {
    CHECK(names_after(model(), kTied) == kWithout);
    CHECK(names_after(model(), {{"text_config", kTied}}) == kWithout);
    CHECK(names_after(model(), {{"tie_word_embeddings", true}, {"text_config", {{"hidden_size", 2}}}}) == kWithout);
    CHECK(names_after(model(), {{"tie_word_embeddings", false}, {"text_config", kTied}}) == kWith);
    CHECK(names_after(model(), {{"tie_word_embeddings", false}}) == kWith);
    CHECK(names_after(model(), {{"tie_word_embeddings", "yes"}}) == kWith);
    CHECK(names_after(model(), {{"hidden_size", 2}}) == kWith);
    CHECK(names_after(model(), nullptr) == kWith);
}

TEST_CASE("embeddings are found under the names that models give them") {
    for (const char* name :
         {"embed_tokens.weight", "transformer.wte.weight", "model.language_model.embed_tokens.weight"}) {
        CHECK(names_after(model(name), kTied) == Names{name, "model.norm.weight"});
    }
    CHECK(names_after(model("model.my_embed_tokens.weight"), kTied).size() == 3);
}

TEST_CASE("a tied head that cannot be equal is an error that says how to keep it") {
    Plan plan = model();
    plan.tensors[2] = tensor("lm_head.weight", 2, {6, 2});
    CHECK(
        error_of([&] { select(plan, {}, kTied); }) ==
        "'lm_head.weight': config.json says that it is tied to 'model.embed_tokens.weight', but it is bf16 (6, 2) and "
        "that is bf16 (4, 2): to write it all the same pass --keep '^lm_head\\.weight$'");
    Pipeline::Select rules;
    rules.keep = {"^lm_head\\.weight$"};
    CHECK(names_after(plan, kTied, rules) == kWith);
}

TEST_CASE("a head with two possible embeddings is written, with a warning") {
    Plan plan = model();
    plan.tensors.push_back(tensor("vision.embed_tokens.weight", 3));
    const Plan result = select(plan, {}, kTied);
    CHECK(result.tensors.size() == 4);
    CHECK(result.warnings == Names{"'lm_head.weight': config.json says that it is tied, but 2 tensors could be its "
                                   "embedding: it is written"});
}

TEST_CASE("without an embedding there is nothing to be tied to") {
    CHECK(names_after(model("model.words.weight"), kTied) ==
          Names{"model.words.weight", "model.norm.weight", "lm_head.weight"});
}

TEST_CASE("a head that is kept makes the outputs' config.json say that it is not tied") {
    CHECK(changes_when_kept(kTied) == nlohmann::json{{"tie_word_embeddings", false}});
    CHECK(changes_when_kept({{"text_config", kTied}}) ==
          nlohmann::json{{"tie_word_embeddings", false}, {"text_config", {{"tie_word_embeddings", false}}}});
    CHECK(changes_when_kept({{"tie_word_embeddings", false}}) == nlohmann::json::object());
}
