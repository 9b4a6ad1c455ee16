// From the tokenizer files of a model to the tokenizer.* keys.
#pragma once

#include "formats/gguf/key_values.hpp"
#include "tokenizer/pre_tokenizer.hpp"
#include "tokenizer/vocabulary.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace unshard::gguf {

/// tokenizer.model, or tokenizer.json.
enum class TokenizerSource { sentencepiece, json };

/// `[gguf.tokenizer]` of a model's file:
///
///     kinds = ["sentencepiece", "json"]      the first whose file is there
///     added = "phi3"                         see AddedStyle
///     byte_level_class = "GPT2Tokenizer"     with this tokenizer_class tokenizer.json counts, whatever files there are
///     space_prefix = "config"                add_space_prefix from tokenizer_config.json; or true, false
///     ids = { eot = 107, unk = "<|endoftext|>" }     for kinds of which nothing says one
///     by_vocabulary = [{ size = 32016, ids = { eot = 32010 }, add_bos = false }]     for this vocab_size only
struct TokenizerRules {
    struct BySize {
        std::uint64_t size = 0;
        std::map<std::string, nlohmann::json> ids;
        std::optional<bool> add_bos;
    };
    std::vector<TokenizerSource> sources;
    AddedStyle added = AddedStyle::common;
    std::string byte_level_class;
    nlohmann::json space_prefix;                ///< "config", a boolean, or null
    std::map<std::string, nlohmann::json> ids;  ///< a number, or the text of an added token
    std::vector<BySize> by_size;
};

struct TokenizerRequest {
    std::string directory;
    std::uint64_t size = 0;   ///< rows of the embedding: so many tokens are written
    std::string name;         ///< value of general.name
    std::string pre;          ///< value of tokenizer.ggml.pre; empty: found out
    Document pre_tokenizers;  ///< the known ones: data/pre-tokenizers.toml
};

/// Throws Error when a file is missing or broken, or when tokens are there twice.
void add_tokenizer(KeyValues& metadata, const TokenizerRules& rules, const TokenizerRequest& request,
                   std::vector<std::string>& warnings);

}  // namespace unshard::gguf
