#include "tokenizer/special_tokens.hpp"

#include "assets.hpp"
#include "support/catch.hpp"
#include "unshard/tools/error.hpp"

using namespace unshard;
using namespace unshard::gguf;
using nlohmann::json;

namespace {

json added(std::vector<std::string> tokens) {
    json list = json::array();
    for (std::size_t i = 0; i < tokens.size(); ++i) list.push_back({{"id", 100 + i}, {"content", tokens[i]}});
    return list;
}

json token(const std::string& text) {
    return {{"SpecialToken", {{"id", text}, {"type_id", 0}}}};
}

json sequence(const char* id) {
    return {{"Sequence", {{"id", id}, {"type_id", 0}}}};
}

json processor(std::vector<json> single, std::vector<json> pair = {}) {
    return {{"type", "TemplateProcessing"}, {"single", std::move(single)}, {"pair", std::move(pair)}};
}

SpecialTokens found(const TokenizerFiles& files, std::map<std::string, std::uint32_t> otherwise = {}) {
    return find_special_tokens(files, std::nullopt, otherwise);
}

}  // namespace

TEST_CASE("ids come from tokenizer_config.json's tokens, then from config.json") {
    TokenizerFiles files;
    files.tokenizer = {{"added_tokens", added({"<s>", "</s>"})}};
    files.settings = {{"bos_token", "<s>"}, {"eos_token", {{"content", "</s>"}}}, {"pad_token", "<gone>"}};
    files.config = {{"bos_token_id", 7}, {"pad_token_id", 8}, {"unk_token_id", json::array({9})}};
    CHECK(found(files).ids ==
          nlohmann::ordered_map<std::string, std::uint32_t>{{"bos", 100}, {"eos", 101}, {"pad", 8}});
}

TEST_CASE("a multimodal model's text_config has ids too, and others can be given for what nothing says") {
    TokenizerFiles files;
    files.config = {{"eos_token_id", 1}, {"text_config", {{"bos_token_id", 2}}}};
    CHECK(found(files, {{"eos", 5}, {"eot", 6}}).ids ==
          nlohmann::ordered_map<std::string, std::uint32_t>{{"bos", 2}, {"eos", 1}, {"eot", 6}});
}

TEST_CASE("ids past a bounded vocabulary are left out, negative ones mean none, larger ones than 32 bits are refused") {
    TokenizerFiles files;
    files.config = {{"bos_token_id", 9}, {"eos_token_id", 10}};
    CHECK(find_special_tokens(files, 10, {}).ids == nlohmann::ordered_map<std::string, std::uint32_t>{{"bos", 9}});
    files.config = {{"pad_token_id", -1}};
    CHECK(found(files).ids.empty());
    files.config = {{"pad_token_id", 4294967297}};
    CHECK_THROWS_WITH(found(files), ": the 'pad' token has the id 4294967297");
}

TEST_CASE("a template that begins with the bos token adds it; a byte-level step adds nothing") {
    TokenizerFiles files;
    files.settings = {{"bos_token", "<s>"}, {"add_bos_token", false}};
    const json llama3 =
        processor({token("<s>"), sequence("A")}, {token("<s>"), sequence("A"), token("<s>"), sequence("B")});
    files.tokenizer = {{"post_processor", {{"type", "Sequence"}, {"processors", {{{"type", "ByteLevel"}}, llama3}}}}};
    CHECK(found(files).add == nlohmann::ordered_map<std::string, bool>{{"bos", true}, {"eos", false}, {"sep", false}});
}

TEST_CASE("without a post-processor tokenizer_config.json decides") {
    TokenizerFiles files;
    files.tokenizer = json{{"added_tokens", json::array()}};
    files.settings = {{"add_bos_token", true}, {"add_eos_token", false}};
    CHECK(found(files).add == nlohmann::ordered_map<std::string, bool>{{"bos", true}, {"eos", false}});
}

TEST_CASE("a template's last token becomes the end of sequence, and the old one the end of turn") {
    TokenizerFiles files;
    files.settings = {{"bos_token", "<s>"}, {"eos_token", "<turn>"}};
    files.tokenizer = {{"added_tokens", added({"<s>", "</s>", "<turn>"})},
                       {"post_processor", processor({token("<s>"), sequence("A"), token("</s>")})}};
    const SpecialTokens tokens = found(files);
    CHECK(tokens.ids == nlohmann::ordered_map<std::string, std::uint32_t>{{"bos", 100}, {"eos", 101}, {"eot", 102}});
    CHECK(tokens.add == nlohmann::ordered_map<std::string, bool>{{"bos", true}, {"eos", true}});
}

TEST_CASE("a separator between the sequences of a pair is added") {
    TokenizerFiles files;
    files.settings = {{"bos_token", "<s>"}, {"sep_token", "<sep>"}};
    files.tokenizer = {{"post_processor", processor({token("<s>"), sequence("A")},
                                                    {token("<s>"), sequence("A"), token("<sep>"), sequence("B")})}};
    CHECK(found(files).add.at("sep"));
}

TEST_CASE("special tokens have their keys, and the classification token has none") {
    KeyValues metadata;
    add_special_tokens(metadata, {{{"bos", 1}, {"sep", 2}, {"cls", 3}}, {{"bos", true}, {"pad", true}}});
    CHECK(metadata.entries() ==
          std::vector<std::pair<std::string, Value>>{{"tokenizer.ggml.bos_token_id", std::uint32_t{1}},
                                                     {"tokenizer.ggml.seperator_token_id", std::uint32_t{2}},
                                                     {"tokenizer.ggml.add_bos_token", true}});
}

TEST_CASE("one chat template or several by name") {
    test::Assets assets;
    assets.write_json("tokenizer_config.json",
                      json{{"chat_template", json::array({{{"name", "default"}, {"template", "D"}},
                                                          {{"name", "tool use"}, {"template", "T"}}})}});
    KeyValues metadata;
    add_chat_templates(metadata, read_tokenizer_files(assets.path()));
    CHECK(metadata.entries() == std::vector<std::pair<std::string, Value>>{
                                    {"tokenizer.chat_template", std::string("D")},
                                    {"tokenizer.chat_template.tool_use", std::string("T")},
                                    {"tokenizer.chat_templates", std::vector<std::string>{"tool_use"}}});
}

TEST_CASE("a template file counts when tokenizer_config.json is there and has none") {
    test::Assets assets;
    assets.write("chat_template.jinja", "J");
    KeyValues metadata;
    add_chat_templates(metadata, read_tokenizer_files(assets.path()));
    CHECK(metadata.entries().empty());
    assets.write_json("tokenizer_config.json", json{{"a", 1}});
    assets.write("additional_chat_templates/rag.jinja", "R");
    add_chat_templates(metadata, read_tokenizer_files(assets.path()));
    CHECK(metadata.entries() ==
          std::vector<std::pair<std::string, Value>>{{"tokenizer.chat_template", std::string("J")},
                                                     {"tokenizer.chat_template.rag", std::string("R")},
                                                     {"tokenizer.chat_templates", std::vector<std::string>{"rag"}}});
}

TEST_CASE("a normalizer that lowers letters is written") {
    KeyValues metadata;
    add_normalizer(metadata, {{"normalizer",
                               {{"type", "Sequence"}, {"normalizers", {{{"type", "NFC"}}, {{"type", "Lowercase"}}}}}}});
    CHECK(metadata.entries() ==
          std::vector<std::pair<std::string, Value>>{{"tokenizer.ggml.normalizer.lowercase", true}});
}

TEST_CASE("RoBERTa's post-processor names the class and separator tokens") {
    TokenizerFiles files;
    files.settings = {{"bos_token", "<s>"}, {"eos_token", "</s>"}};
    files.tokenizer = {
        {"added_tokens", added({"<s>", "</s>", "<sep>"})},
        {"post_processor", {{"type", "RobertaProcessing"}, {"sep", {"<sep>", 102}}, {"cls", {"<s>", 100}}}}};
    CHECK(found(files).ids ==
          nlohmann::ordered_map<std::string, std::uint32_t>{{"bos", 100}, {"eos", 101}, {"sep", 102}, {"cls", 100}});
}

TEST_CASE("a post-processor in a sequence in a sequence counts, and so do a normalizer's settings") {
    TokenizerFiles files;
    const auto sequence_of = [](const char* list, const json& step) {
        return json{{"type", "Sequence"}, {list, json::array({{{"type", "Sequence"}, {list, json::array({step})}}})}};
    };
    files.tokenizer = {{"post_processor", sequence_of("processors", {{"type", "ByteLevel"}})}};
    CHECK(found(files).add == nlohmann::ordered_map<std::string, bool>{{"bos", false}, {"eos", false}});
    KeyValues metadata;
    add_normalizer(
        metadata,
        {{"normalizer",
          sequence_of("normalizers", {{"type", "BertNormalizer"}, {"lowercase", false}, {"strip_accents", true}})}});
    CHECK(metadata.entries() ==
          std::vector<std::pair<std::string, Value>>{{"tokenizer.ggml.normalizer.lowercase", false},
                                                     {"tokenizer.ggml.normalizer.strip_accents", true}});
}
