#include "tokenizer/pre_tokenizer.hpp"

#include "assets.hpp"
#include "own_data.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "unshard/tools/error.hpp"

using namespace unshard;
using namespace unshard::gguf;
using nlohmann::json;

namespace {

const std::vector<PreTokenizer>& known() {
    static const auto all = pre_tokenizers_of(own_data("pre-tokenizers.toml"));
    return all;
}

json split(const std::string& regex) {
    return {{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", "Isolated"}, {"invert", false}};
}

json sequence(std::vector<json> steps) {
    return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

const json kBytes = {{"type", "ByteLevel"}, {"use_regex", false}};
const json kDigits = {{"type", "Digits"}, {"individual_digits", true}};
const json kWords = {{"type", "ByteLevel"}};
const std::string kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

std::string name_of(const json& pre_tokenizer, const json& model = json::object(), const json& added = json::array()) {
    return pre_tokenizer_name({{"pre_tokenizer", pre_tokenizer}, {"model", model}, {"added_tokens", added}}, known(),
                              "t.json");
}

}  // namespace

TEST_CASE("a pre-tokenizer is known by its rules, not by its vocabulary") {
    CHECK(name_of(sequence({split(kLlama3), kBytes}), {{"ignore_merges", true}}) == "llama-bpe");
    std::string qwen2 = kLlama3;
    qwen2.replace(qwen2.find("{1,3}"), 5, "");
    CHECK(name_of(sequence({split(qwen2), kBytes})) == "qwen2");
    CHECK(name_of(kWords) == "gpt-2");
    CHECK(name_of(sequence({kDigits, kWords})) == "starcoder");
}

TEST_CASE("where llama.cpp has several names for the same rules, tokens and merges tell") {
    const json llama3 = sequence({split(kLlama3), kBytes});
    CHECK(name_of(llama3, {{"ignore_merges", false}}) == "dbrx");
    CHECK(name_of(llama3, {{"ignore_merges", true}}, json::array({{{"content", "[gMASK]"}}})) == "glm4");
    CHECK(name_of(sequence({kDigits, kWords}), {{"vocab", {{"<BOS_TOKEN>", 5}}}}) == "command-r");
}

TEST_CASE("line ends in a pattern can be characters or escapes") {
    CHECK(steps_of(split("[\r\n]")) == steps_of(split(R"([\r\n])")));
}

TEST_CASE("every detail of a step counts") {
    const auto step = [](const json& changes) {
        json changed = split("x");
        changed.update(changes);
        return steps_of(changed).front();
    };
    CHECK(step(json::object()) == "split x");
    CHECK(step({{"behavior", "Removed"}}) == "split (Removed) x");
    CHECK(step({{"invert", true}}) == "inverted split x");
    CHECK(step({{"pattern", {{"String", "x"}}}}) == "split at text x");
    CHECK(steps_of({{"type", "Metaspace"}}) == std::vector<std::string>{"Metaspace"});
    CHECK(steps_of(nullptr).empty());
}

TEST_CASE("an unknown pre-tokenizer is refused with its steps and the nearest that is known") {
    CHECK_THROWS_WITH(
        name_of(sequence({kDigits, kDigits, kWords})),
        "t.json: its pre-tokenizer is not known to llama.cpp: digits one by one; digits one by one; words and "
        "bytes: the nearest is 'command-r': digits one by one; words and bytes: name the one that splits "
        "alike, --set output.options.pre=NAME");
}

TEST_CASE("the rules of Viking and BLOOM are known, also in a sequence in a sequence") {
    const json bloom = split(R"( ?[^(\s|[.,!?…。，、।۔،])]+)");
    CHECK(name_of(sequence({bloom, kBytes})) == "bloom");
    CHECK(name_of(sequence({sequence({bloom, kDigits}), kBytes})) == "viking");
}

TEST_CASE("a name that llama.cpp does not have is refused with those that it has") {
    const Document file = own_data("pre-tokenizers.toml");
    CHECK_NOTHROW(check_pre_tokenizer_name("superbpe", file));
    const std::string said = test::error_of([&] { check_pre_tokenizer_name("nonsense", file); });
    CHECK(said.starts_with("option 'pre': 'nonsense' is not known to llama.cpp: known are default minicpm5 llama3 "));
}
