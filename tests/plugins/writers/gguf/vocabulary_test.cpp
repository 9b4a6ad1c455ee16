#include "tokenizer/vocabulary.hpp"
#include "tokenizer/added_tokens.hpp"
#include "tokenizer/merges.hpp"
#include "tokenizer/pre_tokenizer.hpp"

#include "assets.hpp"
#include "own_data.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "unshard/tools/error.hpp"

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

std::string sentencepiece_model(const std::vector<Piece>& pieces, int model_type = 2, const std::string& charsmap = "",
                                bool removes_spaces = false) {
    std::string bytes;
    protozero::pbf_writer model(bytes);
    for (const Piece& piece : pieces) {
        protozero::pbf_writer message(model, 1);
        message.add_string(1, piece.text);
        message.add_float(2, piece.score);
        if (piece.type != 1) message.add_enum(3, piece.type);
    }
    protozero::pbf_writer(model, 2).add_enum(3, model_type);
    protozero::pbf_writer normalizer(model, 3);
    normalizer.add_string(1, "nmt_nfkc");
    normalizer.add_bytes(2, charsmap);
    normalizer.add_bool(3, false);
    normalizer.add_bool(4, removes_spaces);
    return bytes;
}

json added_token(int id, const char* text, bool is_special) {
    return {{"id", id}, {"content", text}, {"special", is_special}};
}

}  // namespace

TEST_CASE("byte-level tokens keep their text; added ones are control or user-defined; the rest is padded") {
    Assets assets;
    json tokenizer = byte_level_tokenizer({"a", "b", "ab"});
    tokenizer["added_tokens"] = {added_token(3, "<|end|>", false), added_token(4, "<tool>", true),
                                 added_token(5, "x\u2581y", false)};
    assets.write_json("tokenizer.json", tokenizer);
    CHECK(byte_level_vocabulary(read_tokenizer_files(assets.path()), 8) ==
          Vocabulary{"gpt2",
                     {"a", "b", "ab", "<|end|>", "<tool>", "x y", "[PAD6]", "[PAD7]"},
                     {1, 1, 1, 3, 3, 4, 5, 5},
                     {},
                     {"a b"},
                     {}});
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
    CHECK(loaded.added == std::map<std::uint64_t, AddedToken>{
                              {2, {"end", true, false}}, {3, {"<x>", true, false}}, {4, {"<new>", true, false}}});
    CHECK(loaded.tokens.at(4) == "<new>");
}

TEST_CASE("merges are text or pairs, and a space in a pair's part is escaped") {
    Assets assets;
    json tokenizer = byte_level_tokenizer({"a", "b", "ab", "a b", "c", "a bc"});
    tokenizer["model"]["merges"] = json::array({json::array({"a", "b"}), json::array({"a b", "c"})});
    assets.write_json("tokenizer.json", tokenizer);
    CHECK(byte_level_vocabulary(read_tokenizer_files(assets.path()), 6).merges ==
          std::vector<std::string>{"a b", "a\u0120b c"});
}

TEST_CASE("merges.txt is read when tokenizer.json has none, and no merges are an error") {
    Assets assets;
    json tokenizer = byte_level_tokenizer({"a", "b", "ab", "c", "d", "cd"});
    tokenizer["model"].erase("merges");
    assets.write_json("tokenizer.json", tokenizer);
    CHECK_THROWS_WITH(byte_level_vocabulary(read_tokenizer_files(assets.path()), 6),
                      assets.path("tokenizer.json") + ": there are no merges in it, and no merges.txt beside it");
    assets.write("merges.txt", "#version: 0.2\na b\n\nbroken\nc  d\n");
    CHECK(byte_level_vocabulary(read_tokenizer_files(assets.path()), 6).merges ==
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
                                                         {"user\u2581one", -2, 4},
                                                         {"old", -3, 5}}));
    assets.write_json("added_tokens.json", json{{"<a>", 6}});
    assets.write_json("tokenizer_config.json", json{{"added_tokens_decoder",
                                                     {{"0", {{"content", "<unk>"}, {"special", true}}},
                                                      {"7", {{"content", "x\u2581y"}, {"special", false}}}}}});
    std::vector<std::string> warnings;
    CHECK(sentencepiece_vocabulary(read_tokenizer_files(assets.path()), 9, AddedStyle::common, warnings) ==
          Vocabulary{"llama",
                     {"<unk>", "<s>", "<0x0A>", "\u2581a", "user one", "old", "<a>", "x y", "[PAD8]"},
                     {3, 3, 6, 1, 4, 5, 4, 4, 5},
                     {-1000, 0, 0, -1.5F, -2, -3, -1000, -1000, -10000},
                     {},
                     false});
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

TEST_CASE("what a SentencePiece model does to texts and llama.cpp does not is a warning") {
    Assets assets;
    std::vector<std::string> warnings;
    assets.write("tokenizer.model", sentencepiece_model({{"a", 0, 1}}, 1, "map", true));
    sentencepiece_vocabulary(read_tokenizer_files(assets.path()), 1, AddedStyle::common, warnings);
    const std::string where = assets.path("tokenizer.model");
    CHECK(warnings ==
          std::vector<std::string>{
              where + ": its model_type is 1, llama.cpp joins pieces as BPE (2) does: most texts get other ids",
              where + ": it normalises texts ('nmt_nfkc'), llama.cpp does not: texts that this changes get other ids",
              where + ": it removes spaces that follow each other ('remove_extra_whitespaces'), llama.cpp does not: " +
                  "texts with such spaces get other ids"});
}

TEST_CASE("a SentencePiece BPE in tokenizer.json has scores in the order of its merges, byte tokens and padding") {
    Assets assets;
    json tokenizer = byte_level_tokenizer({"<unk>", "<0x0A>", "a", "b", "ab", "aba", "<im>"});
    tokenizer["model"].update(json{{"byte_fallback", true}, {"unk_token", "<unk>"}, {"merges", {"ab a", "a b"}}});
    tokenizer["pre_tokenizer"] = nullptr;
    tokenizer["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}};
    tokenizer["added_tokens"] = {added_token(0, "<unk>", true), added_token(6, "<im>", false),
                                 added_token(7, "<|x|>", false)};
    assets.write_json("tokenizer.json", tokenizer);
    const TokenizerFiles files = read_tokenizer_files(assets.path());
    CHECK(is_llama_hf(files));
    std::vector<std::string> warnings;
    CHECK(llama_hf_vocabulary(files, 9, warnings) ==
          Vocabulary{"llama",
                     {"<unk>", "<0x0A>", "a", "b", "ab", "aba", "<im>", "<|x|>", "[PAD8]"},
                     {2, 6, 1, 1, 1, 1, 4, 3, 5},
                     {-2, -2, -2, -2, -1, 0, -2, -2, -2},
                     {},
                     false});
    CHECK(warnings == std::vector<std::string>{
                          assets.path("tokenizer.json") +
                          ": it has 1 of the 256 tokens '<0x00>' to '<0xFF>': llama.cpp fails on a text that needs "
                          "the others"});
}

TEST_CASE("a token is made by the last merge of its own text, and what no merge joins is a clash") {
    const std::vector<Merge> merges = {{"a", "a"}, {"aa", "aa"}, {"aa", "a"}, {"a", "aa"}, {"b", "c"}, {"a", "b"}};
    const MergeOrder order = merge_order(merges, {"a", "aa", "aaa", "aaaa", "ab", "bc", "abc"}, false);
    CHECK(order.made == std::vector<std::string>{"aa", "aaaa", "aaa", "bc", "ab"});
    CHECK(order.clashes == std::vector<Clash>{{"a", "bc"}});
}

TEST_CASE("where words are cut nothing is joined across their start") {
    const std::vector<Merge> merges = {{"\u2581", "a"}, {"\u2581", "\u2581"}, {"\u2581\u2581", "a"}};
    const std::vector<std::string> tokens = {"\u2581\u2581", "\u2581a"};
    CHECK(merge_order(merges, tokens, false).clashes.empty());
    CHECK(merge_order(merges, tokens, true).clashes == std::vector<Clash>{{"\u2581", "\u2581"}});
}

TEST_CASE("damaged vocabularies are refused: two tokens of one id, merges of what is not there") {
    Assets assets;
    const auto refusal = [&](const json& tokenizer) {
        assets.write_json("tokenizer.json", tokenizer);
        return test::error_of([&] { byte_level_vocabulary(read_tokenizer_files(assets.path()), 9); });
    };
    json twice = byte_level_tokenizer({"a", "b", "ab"});
    twice["model"]["vocab"]["b"] = 0;
    CHECK(refusal(twice) == assets.path("tokenizer.json") +
                                ": 'a' and 'b' both have the id 0: the file is damaged: take it from the model again");
    json unknown = byte_level_tokenizer({"a", "b", "ab"});
    unknown["model"]["merges"] = {"a b", "a q"};
    CHECK(refusal(unknown) == assets.path("tokenizer.json") +
                                  ": the merge of 'a' and 'q' is of 'q', which the vocabulary does not have: " +
                                  "the file is damaged: take it from the model again");
    json words = byte_level_tokenizer({"a", "b", "ab"});
    words["pre_tokenizer"] = {{"type", "Metaspace"}};
    CHECK(refusal(words) == assets.path("tokenizer.json") +
                                ": its pre-tokenizer, 'Metaspace', is not byte-level, and the model has no " +
                                "'byte_fallback': llama.cpp has no such tokenizer");
}

TEST_CASE("added tokens get the ids that follow, whatever tokenizer.json says, as the tokenizers library gives them") {
    Assets assets;
    json tokenizer = byte_level_tokenizer({"a", "b", "ab"});
    tokenizer["added_tokens"] = {added_token(7, "<x>", true), added_token(9, "<y>", true), added_token(5, "ab", true)};
    assets.write_json("tokenizer.json", tokenizer);
    const LoadedTokens loaded = load_tokens(read_tokenizer_files(assets.path()));
    CHECK(loaded.tokens == std::map<std::uint64_t, std::string>{{0, "a"}, {1, "b"}, {2, "ab"}, {3, "<x>"}, {4, "<y>"}});
}

TEST_CASE("vocab.json and merges.txt are a tokenizer when the class is known") {
    Assets assets;
    assets.write_json("vocab.json", json{{"a", 0}, {"b", 1}, {"ab", 2}});
    assets.write("merges.txt", "a b\n");
    assets.write_json("tokenizer_config.json", json{{"tokenizer_class", "Qwen2Tokenizer"}});
    const TokenizerFiles files = read_tokenizer_files(assets.path());
    CHECK(byte_level_vocabulary(files, 3).merges == std::vector<std::string>{"a b"});
    CHECK(pre_tokenizer_name(files.tokenizer, pre_tokenizers_of(own_data("pre-tokenizers.toml")), "") == "qwen2");
    assets.write_json("tokenizer_config.json", json{{"tokenizer_class", "Odd"}});
    CHECK_THROWS_WITH(read_tokenizer_files(assets.path()),
                      assets.path() + ": there is no tokenizer.json, and what class 'Odd' makes of vocab.json and " +
                          "merges.txt is not known: load and save the tokenizer with transformers");
}

TEST_CASE("a token that is there twice is refused") {
    Vocabulary vocabulary;
    vocabulary.tokens = {"a", "b", "a"};
    CHECK_THROWS_WITH(check_unique(vocabulary, "dir"),
                      "dir: tokens 0 and 2 are both 'a': llama.cpp needs each token once");
}

TEST_CASE("added tokens that llama.cpp finds elsewhere are warned of, Phi 3's by the model's name") {
    TokenizerFiles files;
    files.directory = "d";
    files.tokenizer = {{"added_tokens",
                        {{{"content", "<|user|>"}, {"rstrip", true}, {"lstrip", false}},
                         {{"content", "<mask>"}, {"rstrip", false}, {"lstrip", true}}}}};
    const auto warned = [&](const char* name) {
        std::vector<std::string> warnings;
        warn_of_added_tokens(files, name, warnings);
        return warnings;
    };
    CHECK(warned("Model") ==
          std::vector<std::string>{"d/tokenizer.json: added token \"<|user|>\" and 1 more: the tokenizer takes spaces "
                                   "beside it for its own, llama.cpp does not: texts with it get other ids"});
    CHECK(warned("Phi-3 mini").front().starts_with("d/tokenizer.json: added token \"<mask>\": the tokenizer takes"));
}
