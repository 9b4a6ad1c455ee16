// The tokens of a model, in the order of their ids, and how llama.cpp is to use them.
#pragma once

#include "tokenizer/files.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unshard::gguf {

/// The numbers are those of enum llama_token_type, and of the SentencePiece types with the same names.
enum class TokenType : std::int32_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

struct Vocabulary {
    std::string model;  ///< tokenizer.ggml.model: "gpt2" (byte-level BPE) or "llama" (SentencePiece)
    std::vector<std::string> tokens;
    std::vector<std::int32_t> types;       ///< TokenType
    std::vector<float> scores;             ///< "llama" only
    std::vector<std::string> merges;       ///< "gpt2" only
    std::optional<bool> has_space_prefix;  ///< what the tokenizer's files say of it
    friend bool operator==(const Vocabulary&, const Vocabulary&) = default;
};

/// An added token: one that is found in the text before it is split.
struct AddedToken {
    std::string text;
    bool is_special = false;
    bool is_normalized = false;  ///< looked for in the normalised text
    friend bool operator==(const AddedToken&, const AddedToken&) = default;
};

/// How a SentencePiece vocabulary takes up added tokens.
enum class AddedStyle {
    common,
    phi3,  ///< text as it is, special only where said so; tokenizer.json's added tokens count too
};

/// From tokenizer.json and what tokenizer_config.json adds to it, padded with unused tokens to `size`.
/// Throws Error when it is no byte-level BPE, has no merges, or more than `size` tokens.
Vocabulary byte_level_vocabulary(const TokenizerFiles& files, std::uint64_t size);

/// From tokenizer.model, padded to `size`. Tokens past it are left out, with a warning.
Vocabulary sentencepiece_vocabulary(const TokenizerFiles& files, std::uint64_t size, AddedStyle style,
                                    std::vector<std::string>& warnings);

/// Whether tokenizer.json holds a SentencePiece BPE (Llama 2 without tokenizer.model): bytes for unknown characters,
/// and no byte-level alphabet.
bool is_llama_hf(const TokenizerFiles& files);
/// From such a tokenizer.json, padded to `size`. Throws Error when it has more tokens. Warns of texts for which
/// llama.cpp cannot give the ids that the tokenizer gives.
Vocabulary llama_hf_vocabulary(const TokenizerFiles& files, std::uint64_t size, std::vector<std::string>& warnings);

/// Throws Error that names the token and both ids: llama.cpp aborts on a duplicate.
void check_unique(const Vocabulary& vocabulary, const std::string& directory);

/// All tokens of tokenizer.json, as transformers loads it: its vocabulary, its added tokens, and those that
/// tokenizer_config.json adds or declares special.
struct LoadedTokens {
    std::uint64_t base_size = 0;                  ///< of the model's own vocabulary
    std::map<std::uint64_t, std::string> tokens;  ///< by id, added ones included
    std::map<std::uint64_t, AddedToken> added;    ///< by id
};
LoadedTokens load_tokens(const TokenizerFiles& files);

/// A token's id as a file has it, a number or the text of one. Throws Error when it is none, or larger than any
/// vocabulary.
std::uint64_t token_id(const nlohmann::json& id, const std::string& where);
std::uint64_t token_id(const std::string& id, const std::string& where);

/// Throws Error when a token's id is not below `size`, the rows of the model's embedding.
void check_fits(const LoadedTokens& loaded, std::uint64_t size, const TokenizerFiles& files);

/// Whether an added token looks like a control token, though nothing says that it is special.
bool looks_special(std::string_view text);

/// A user-defined token is stored with spaces where SentencePiece has U+2581.
std::string with_spaces(std::string text);

/// "[PAD7]": how ids without a token are called.
std::string padding_token(std::uint64_t id);

}  // namespace unshard::gguf
