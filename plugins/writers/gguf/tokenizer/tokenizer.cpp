// Which kind of vocabulary a model has is for the model to say (conversion/*.py, set_vocab); the rest is alike for all.

#include "tokenizer/tokenizer.hpp"

#include "tokenizer/special_tokens.hpp"
#include "unshard/error.hpp"

#include <algorithm>

namespace unshard::gguf {
namespace {

bool is_there(TokenizerKind kind, const TokenizerFiles& files) {
    switch (kind) {
        case TokenizerKind::sentencepiece:
            return files.has("tokenizer.model");
        case TokenizerKind::llama_hf:
            return is_llama_hf(files);
        case TokenizerKind::byte_level:
            return !files.tokenizer.is_null();
    }
    return false;
}

TokenizerKind kind_of(const TokenizerRules& rules, const TokenizerFiles& files) {
    const bool is_named =
        !rules.byte_level_class.empty() && member(files.settings, "tokenizer_class") == rules.byte_level_class;
    if (is_named) return TokenizerKind::byte_level;
    const auto found =
        std::find_if(rules.kinds.begin(), rules.kinds.end(), [&](auto kind) { return is_there(kind, files); });
    if (found != rules.kinds.end()) return *found;
    const bool wants_model =
        std::find(rules.kinds.begin(), rules.kinds.end(), TokenizerKind::sentencepiece) != rules.kinds.end();
    const bool wants_json = rules.kinds != std::vector{TokenizerKind::sentencepiece};
    throw Error(files.directory + ": there is no " + (wants_model ? "tokenizer.model" : "") +
                (wants_model && wants_json ? " and no " : "") + (wants_json ? "tokenizer.json" : "") +
                ": a GGUF file holds the model's tokenizer: pass the directory that has it, --assets DIR");
}

/// An id given as a number or as the text of an added token.
std::uint32_t id_of(const std::string& kind, const nlohmann::json& id, const TokenizerFiles& files) {
    if (id.is_number_unsigned()) return id.get<std::uint32_t>();
    for (const nlohmann::json& token : member(files.tokenizer, "added_tokens")) {
        if (member(token, "content") == id && member(token, "id").is_number_unsigned()) return member(token, "id");
    }
    throw Error(files.path("tokenizer.json") + ": there is no added token " + id.dump() + ", the model's '" + kind +
                "' token");
}

SpecialTokens special_tokens(const TokenizerRules& rules, const TokenizerFiles& files, TokenizerKind kind,
                             std::uint64_t size) {
    std::map<std::string, nlohmann::json> ids = rules.ids;
    for (const TokenizerRules::BySize& by : rules.by_size) {
        if (by.size == size) ids.insert(by.ids.begin(), by.ids.end());
    }
    std::map<std::string, std::uint32_t> otherwise;
    for (const auto& [name, id] : ids) otherwise.emplace(name, id_of(name, id, files));
    const bool is_bounded = kind != TokenizerKind::byte_level;
    SpecialTokens tokens = find_special_tokens(files, is_bounded ? std::optional(size) : std::nullopt, otherwise);
    for (const TokenizerRules::BySize& by : rules.by_size) {
        if (by.size == size && by.add_bos) tokens.add["bos"] = *by.add_bos;
    }
    return tokens;
}

void add_space_prefix(KeyValues& metadata, const TokenizerRules& rules, const TokenizerFiles& files,
                      TokenizerKind kind) {
    static const std::string kKey = "tokenizer.ggml.add_space_prefix";
    const nlohmann::json& wanted = rules.space_prefix;
    if (wanted.is_boolean() && kind != TokenizerKind::byte_level) metadata.set(kKey, wanted.get<bool>());
    const nlohmann::json& given = member(files.settings, "add_prefix_space");
    if (wanted == "config" && given.is_boolean()) metadata.set(kKey, given.get<bool>());
}

Vocabulary vocabulary_of(TokenizerKind kind, const TokenizerFiles& files, const TokenizerRules& rules,
                         std::uint64_t size, std::vector<std::string>& warnings) {
    if (kind == TokenizerKind::byte_level) return byte_level_vocabulary(files, size);
    if (kind == TokenizerKind::llama_hf) return llama_hf_vocabulary(files, size);
    return sentencepiece_vocabulary(files, size, rules.added, warnings);
}

std::string pre_of(TokenizerKind kind, const TokenizerFiles& files, const TokenizerRequest& request) {
    if (!request.pre.empty()) return request.pre;
    if (kind != TokenizerKind::byte_level) return "default";
    return pre_tokenizer_name(files.tokenizer, load_pre_tokenizers(request.pre_tokenizers_file),
                              files.path("tokenizer.json"));
}

}  // namespace

void add_tokenizer(KeyValues& metadata, const TokenizerRules& rules, const TokenizerRequest& request,
                   std::vector<std::string>& warnings) {
    const TokenizerFiles files = read_tokenizer_files(request.directory);
    const TokenizerKind kind = kind_of(rules, files);
    Vocabulary vocabulary = vocabulary_of(kind, files, rules, request.size, warnings);
    check_unique(vocabulary, request.directory);
    add_space_prefix(metadata, rules, files, kind);
    metadata.set("tokenizer.ggml.model", vocabulary.model);
    metadata.set("tokenizer.ggml.pre", pre_of(kind, files, request));
    metadata.set("tokenizer.ggml.tokens", std::move(vocabulary.tokens));
    metadata.set("tokenizer.ggml.scores", std::move(vocabulary.scores));
    metadata.set("tokenizer.ggml.token_type", std::move(vocabulary.types));
    metadata.set("tokenizer.ggml.merges", std::move(vocabulary.merges));
    add_special_tokens(metadata, special_tokens(rules, files, kind, request.size));
    add_chat_templates(metadata, files);
    add_normalizer(metadata, files.tokenizer);
}

}  // namespace unshard::gguf
