#include "tokenizer/vocabulary.hpp"

#include "assets.hpp"
#include "support/catch.hpp"
#include "unshard/error.hpp"

#include <protozero/pbf_writer.hpp>

using namespace unshard;
using namespace unshard::gguf;
using nlohmann::json;
using test::Assets;
using test::byte_level_tokenizer;

namespace {

struct Piece {
    const char* text;
    float score;
    int type;
};

std::string sentencepiece_model(const std::vector<Piece>& pieces) {
    std::string bytes;
    protozero::pbf_writer model(bytes);
    for (const Piece& piece : pieces) {
        protozero::pbf_writer message(model, 1);
        message.add_string(1, piece.text);
        message.add_float(2, piece.score);
        if (piece.type != 1) message.add_enum(3, piece.type);
    }
    protozero::pbf_writer(model, 2).add_enum(3, 2);
    return bytes;
}

json added_token(int id, const char* text, bool is_special) {
    return {{"id", id}, {"content", text}, {"special", is_special}};
}

}  // namespace

TEST_CASE("byte-level tokens keep their text; added ones are control or user-defined; gaps are padded") {
    Assets assets;
    json tokenizer = byte_level_tokenizer({"a", "b", "ab"});
    tokenizer["added_tokens"] = {added_token(3, "<|end|>", false), added_token(4, "<tool>", true),
                                 added_token(6, "x\u2581y", false)};
    assets.write_json("tokenizer.json", tokenizer);
    CHECK(byte_level_vocabulary(read_tokenizer_files(assets.path()), 8) ==
          Vocabulary{"gpt2",
                     {"a", "b", "ab", "<|end|>", "<tool>", "[PAD5]", "x y", "[PAD7]"},
                     {1, 1, 1, 3, 3, 5, 4, 5},
                     {},
                     {"a b"}});
}

TEST_CASE("tokenizer_config.json adds tokens behind the others and makes named ones special") {
    Assets assets;
    json tokenizer = byte_level_tokenizer({"a", "b", "end"});
    tokenizer["added_tokens"] = {added_token(3, "<x>", false)};
    assets.write_json("tokenizer.json", tokenizer);
    assets.write_json("tokenizer_config.json",
                      json{{"eos_token", "end"},
                           {"pad_token", {{"content", "<new>"}}},
                           {"added_tokens_decoder", {{"3", {{"content", "<x>"}, {"special", true}}}}}});
    const LoadedTokens loaded = load_tokens(read_tokenizer_files(assets.path()));
    CHECK(loaded.added ==
          std::map<std::uint64_t, AddedToken>{{2, {"end", true}}, {3, {"<x>", true}}, {4, {"<new>", true}}});
    CHECK(loaded.tokens.at(4) == "<new>");
}

TEST_CASE("merges are text or pairs, and a space in a pair's part is escaped") {
    Assets assets;
    json tokenizer = byte_level_tokenizer({"a"});
    tokenizer["model"]["merges"] = json::array({json::array({"a", "b"}), json::array({"a b", "c"})});
    assets.write_json("tokenizer.json", tokenizer);
    CHECK(byte_level_vocabulary(read_tokenizer_files(assets.path()), 1).merges ==
          std::vector<std::string>{"a b", "a\u0120b c"});
}

TEST_CASE("merges.txt is read when tokenizer.json has none, and no merges are an error") {
    Assets assets;
    json tokenizer = byte_level_tokenizer({"a"});
    tokenizer["model"].erase("merges");
    assets.write_json("tokenizer.json", tokenizer);
    CHECK_THROWS_WITH(byte_level_vocabulary(read_tokenizer_files(assets.path()), 1),
                      assets.path("tokenizer.json") + ": there are no merges in it");
    assets.write("merges.txt", "#version: 0.2\na b\n\nbroken\nc  d\n");
    CHECK(byte_level_vocabulary(read_tokenizer_files(assets.path()), 1).merges ==
          std::vector<std::string>{"a b", "c d"});
}

TEST_CASE("a tokenizer that does not belong to the model is refused") {
    Assets assets;
    assets.write_json("tokenizer.json", byte_level_tokenizer({"a", "b"}));
    CHECK_THROWS_WITH(byte_level_vocabulary(read_tokenizer_files(assets.path()), 1),
                      assets.path("tokenizer.json") +
                          ": token 'b' has the id 1, the model's embedding has 1 rows: the "
                          "tokenizer does not belong to this model");
}

TEST_CASE("broken tokenizer files are refused") {
    Assets assets;
    const auto build = [&] { return byte_level_vocabulary(read_tokenizer_files(assets.path()), 10); };
    CHECK_THROWS_AS(build(), Error);
    for (const char* broken :
         {"{", "[]", R"({"model": {"type": "Unigram", "vocab": {"a": 0}}})", R"({"model": {"vocab": {}}})",
          R"({"model": {"vocab": {"a": -1}}})", R"({"model": {"vocab": {"a": 99999999}}})",
          R"({"model": {"vocab": {"a": 0}, "merges": [["a"]]}})",
          R"({"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1}]})"}) {
        assets.write("tokenizer.json", broken);
        CHECK_THROWS_AS(build(), Error);
    }
}

TEST_CASE("a SentencePiece model gives texts, scores and types, and added tokens replace") {
    Assets assets;
    assets.write("tokenizer.model", sentencepiece_model({{"<unk>", 0, 2},
                                                         {"<s>", 0, 3},
                                                         {"<0x0A>", 0, 6},
                                                         {"\u2581a", -1.5F, 1},
                                                         {"user", -2, 4},
                                                         {"old", -3, 5}}));
    assets.write_json("added_tokens.json", json{{"<a>", 6}});
    assets.write_json("tokenizer_config.json", json{{"added_tokens_decoder",
                                                     {{"0", {{"content", "<unk>"}, {"special", true}}},
                                                      {"7", {{"content", "x\u2581y"}, {"special", false}}}}}});
    std::vector<std::string> warnings;
    CHECK(sentencepiece_vocabulary(read_tokenizer_files(assets.path()), 9, AddedStyle::common, warnings) ==
          Vocabulary{"llama",
                     {"<unk>", "<s>", "<0x0A>", "\u2581a", "user", "old", "<a>", "x y", "[PAD8]"},
                     {3, 3, 6, 1, 1, 5, 4, 4, 5},
                     {-1000, 0, 0, -1.5F, -2, -3, -1000, -1000, -10000},
                     {}});
    CHECK(warnings.empty());
}

TEST_CASE("phi 3 keeps added tokens as they are, and takes those of tokenizer.json") {
    Assets assets;
    assets.write("tokenizer.model", sentencepiece_model({{"a", 0, 1}}));
    assets.write_json("tokenizer_config.json", json{{"added_tokens_decoder", {{"1", {{"content", "<|x\u2581y|>"}}}}}});
    assets.write_json("tokenizer.json", json{{"added_tokens", {added_token(2, "<|z|>", true)}}});
    std::vector<std::string> warnings;
    const Vocabulary found =
        sentencepiece_vocabulary(read_tokenizer_files(assets.path()), 3, AddedStyle::phi3, warnings);
    CHECK(found.tokens == std::vector<std::string>{"a", "<|x\u2581y|>", "<|z|>"});
    CHECK(found.types == std::vector<std::int32_t>{1, 4, 3});
}

TEST_CASE("SentencePiece tokens past the embedding are left out with a warning") {
    Assets assets;
    assets.write("tokenizer.model", sentencepiece_model({{"a", 0, 1}, {"b", 0, 1}, {"c", 0, 1}}));
    std::vector<std::string> warnings;
    const TokenizerFiles files = read_tokenizer_files(assets.path());
    CHECK(sentencepiece_vocabulary(files, 1, AddedStyle::common, warnings).tokens == std::vector<std::string>{"a"});
    CHECK(warnings ==
          std::vector<std::string>{assets.path() + ": 2 tokens from 'b' on are left out: their ids are past the "
                                                   "1 rows of the model's embedding"});
}

TEST_CASE("a broken SentencePiece model is refused") {
    Assets assets;
    std::vector<std::string> warnings;
    const std::string whole = sentencepiece_model({{"a", 0, 1}, {"b", 0, 1}});
    for (const std::string& broken :
         {std::string(), whole.substr(0, 5), std::string("\xff\xff\xff\xff"), std::string("\x0a\x7f")}) {
        assets.write("tokenizer.model", broken);
        CHECK_THROWS_AS(sentencepiece_vocabulary(read_tokenizer_files(assets.path()), 4, AddedStyle::common, warnings),
                        Error);
    }
}

TEST_CASE("a SentencePiece BPE in tokenizer.json has equal scores, byte tokens and padding") {
    Assets assets;
    json tokenizer = byte_level_tokenizer({"<unk>", "<0x0A>", "\u2581a"});
    tokenizer["model"]["byte_fallback"] = true;
    tokenizer["decoder"] = {{"type", "Sequence"}};
    tokenizer["added_tokens"] = {added_token(0, "<unk>", true), added_token(3, "<x>", false)};
    assets.write_json("tokenizer.json", tokenizer);
    const TokenizerFiles files = read_tokenizer_files(assets.path());
    CHECK(is_llama_hf(files));
    CHECK(llama_hf_vocabulary(files, 5) == Vocabulary{"llama",
                                                      {"<unk>", "<0x0A>", "\u2581a", "<x>", "[PAD4]"},
                                                      {3, 6, 1, 4, 5},
                                                      {-1000, -1000, -1000, -1000, -1000},
                                                      {}});
}

TEST_CASE("a token that is there twice is refused") {
    Vocabulary vocabulary;
    vocabulary.tokens = {"a", "b", "a"};
    CHECK_THROWS_WITH(check_unique(vocabulary, "dir"),
                      "dir: tokens 0 and 2 are both 'a': llama.cpp needs each token once");
}
