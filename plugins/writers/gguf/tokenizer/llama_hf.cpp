// A SentencePiece BPE that was saved as tokenizer.json only: gguf-py's LlamaHfVocab. All scores are -1000, as there.
// Unlike there, ids without a token are padded: llama.cpp needs as many tokens as the embedding has rows.

#include "tokenizer/vocabulary.hpp"

#include <algorithm>

namespace unshard::gguf {
namespace {

constexpr float kScore = -1000.0F;

bool is_byte_token(const std::string& text) {
    return text.size() == 6 && text.starts_with("<0x") && text.ends_with('>') && std::isxdigit(text[3]) &&
           std::isxdigit(text[4]);
}

}  // namespace

bool is_llama_hf(const TokenizerFiles& files) {
    const nlohmann::json& model = member(files.tokenizer, "model");
    return member(model, "type") == "BPE" && member(model, "byte_fallback") == true &&
           member(member(files.tokenizer, "decoder"), "type") == "Sequence";
}

Vocabulary llama_hf_vocabulary(const TokenizerFiles& files, std::uint64_t size) {
    const LoadedTokens loaded = load_tokens(files);
    check_fits(loaded, size, files);
    Vocabulary result;
    result.model = "llama";
    for (std::uint64_t id = 0; id < size; ++id) result.tokens.push_back(padding_token(id));
    result.types.assign(size, static_cast<std::int32_t>(TokenType::unused));
    result.scores.assign(size, kScore);
    for (const auto& [id, text] : loaded.tokens) {
        const auto added = loaded.added.find(id);
        const bool is_special = added != loaded.added.end() && added->second.is_special;
        TokenType type = id < loaded.base_size ? TokenType::normal : TokenType::user_defined;
        if (is_special) type = TokenType::control;
        if (is_byte_token(text)) type = TokenType::byte;
        result.tokens[id] = text;
        result.types[id] = static_cast<std::int32_t>(type);
    }
    return result;
}

}  // namespace unshard::gguf
