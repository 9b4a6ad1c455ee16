#include "metadata.hpp"

#include "support/catch.hpp"
#include "unshard/tools/error.hpp"

using namespace unshard;
using namespace unshard::gguf;
using nlohmann::json;

namespace {

KeyRule rule_of(const char* key, KeyType type, std::vector<std::string> fields) {
    KeyRule rule;
    rule.key = key;
    rule.type = type;
    rule.fields = std::move(fields);
    return rule;
}

using Entries = std::vector<std::pair<std::string, Value>>;

Entries keys_of(const KeyRule& rule, const json& config, const Values& values = {}) {
    KeyValues metadata;
    add_model_keys(metadata, std::vector{rule}, {"llama", config, values});
    return metadata.entries();
}

}  // namespace

TEST_CASE("a key takes the first field that is there and not null") {
    const KeyRule rule = rule_of("context_length", KeyType::u32, {"a.b", "c", "d"});
    CHECK(keys_of(rule, {{"c", nullptr}, {"d", 4}}) == Entries{{"llama.context_length", std::uint32_t{4}}});
    CHECK(keys_of(rule, {{"a", {{"b", 5}}}, {"d", 4}}) == Entries{{"llama.context_length", std::uint32_t{5}}});
    CHECK(keys_of(rule, {{"a", 3}}).empty());
}

TEST_CASE("a key without a value is left out, or an error when it is required") {
    KeyRule rule = rule_of("context_length", KeyType::u32, {"max_position_embeddings"});
    CHECK(keys_of(rule, json::object()).empty());
    rule.is_required = true;
    CHECK_THROWS_WITH(keys_of(rule, json::object()),
                      "config.json: 'max_position_embeddings' is missing: the key 'context_length' needs it");
    rule.fallback = 7;
    CHECK(keys_of(rule, json::object()) == Entries{{"llama.context_length", std::uint32_t{7}}});
}

TEST_CASE("numbers are computed, scaled and cut") {
    KeyRule rule = rule_of("rope.dimension_count", KeyType::u32, {});
    rule.value = Expression("hidden / heads");
    rule.fraction = {"partial"};
    const Values values{{{"hidden", 96}, {"heads", 4}}, {}};
    CHECK(keys_of(rule, {{"partial", 0.4}}, values) == Entries{{"llama.rope.dimension_count", std::uint32_t{9}}});
    KeyRule scaled = rule_of("x", KeyType::f32, {"mscale"});
    scaled.scale = 0.1;
    CHECK(keys_of(scaled, {{"mscale", 0.707}}) == Entries{{"llama.x", static_cast<float>(0.1 * 0.707)}});
}

TEST_CASE("words stand for what the table says, one by one in a list") {
    KeyRule rule = rule_of("pattern", KeyType::booleans, {"layer_types"});
    rule.words = {{"sliding", true}, {"full", false}};
    CHECK(keys_of(rule, {{"layer_types", {"sliding", "full"}}}) ==
          Entries{{"llama.pattern", std::vector<bool>{true, false}}});
    CHECK_THROWS_WITH(
        keys_of(rule, {{"layer_types", {"chunked"}}}),
        R"(config.json: 'layer_types' is "chunked": it must be one of full, sliding for the key 'pattern')");
}

TEST_CASE("a value of the wrong kind is refused") {
    CHECK_THROWS_AS(keys_of(rule_of("k", KeyType::u32, {"f"}), {{"f", -1}}), Error);
    CHECK_THROWS_AS(keys_of(rule_of("k", KeyType::u32, {"f"}), {{"f", 1.5}}), Error);
    CHECK_THROWS_AS(keys_of(rule_of("k", KeyType::u32, {"f"}), {{"f", 4294967296}}), Error);
    CHECK_THROWS_AS(keys_of(rule_of("k", KeyType::f32, {"f"}), {{"f", "1"}}), Error);
    CHECK_THROWS_AS(keys_of(rule_of("k", KeyType::boolean, {"f"}), {{"f", 1}}), Error);
    CHECK_THROWS_AS(keys_of(rule_of("k", KeyType::string, {"f"}), {{"f", 1}}), Error);
}

TEST_CASE("a value that says nothing is not written") {
    KeyRule rule = rule_of("norm", KeyType::boolean, {"f"});
    rule.unless = false;
    CHECK(keys_of(rule, {{"f", false}}).empty());
    CHECK(keys_of(rule, {{"f", true}}) == Entries{{"llama.norm", true}});
}
