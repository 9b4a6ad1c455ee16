// A model's file says which kind of vocabulary it has (set_vocab in conversion/*.py); the rest is the same for all
// models.

#include "tokenizer/tokenizer.hpp"

#include "tokenizer/added_tokens.hpp"
#include "tokenizer/special_tokens.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard::gguf {
namespace {

enum class TokenizerKind { sentencepiece, llama_hf, byte_level };

TokenizerKind kind_of(const TokenizerRules& rules, const TokenizerFiles& files) {
    const TokenizerKind json_kind = is_llama_hf(files) ? TokenizerKind::llama_hf : TokenizerKind::byte_level;
    const bool is_named =
        !rules.byte_level_class.empty() && member(files.settings, "tokenizer_class") == rules.byte_level_class;
    if (is_named) return json_kind;
    for (const TokenizerSource source : rules.sources) {
        if (source == TokenizerSource::json && !files.tokenizer.is_null()) return json_kind;
        if (source == TokenizerSource::sentencepiece && files.has("tokenizer.model"))
            return TokenizerKind::sentencepiece;
    }
    std::string names;
    for (const TokenizerSource source : rules.sources) {
        names += (names.empty() ? "" : " and no ");
        names += source == TokenizerSource::json ? "tokenizer.json" : "tokenizer.model";
    }
    throw Error(fmt::format(
        "{}: there is no {}: a GGUF file holds the model's tokenizer: pass the directory that has it, --assets DIR",
        files.directory, names));
}

/// An id given as a number or as the text of an added token.
std::uint32_t id_of(const std::string& kind, const nlohmann::json& id, const TokenizerFiles& files) {
    if (id.is_number()) return static_cast<std::uint32_t>(token_id(id, "a rule of the model"));
    if (!files.tokenizer.is_null()) {
        for (const auto& [number, token] : load_tokens(files).added) {
            if (id == token.text) return static_cast<std::uint32_t>(number);
        }
    }
    throw Error(fmt::format("{}: there is no added token {}, the model's '{}' token", files.path("tokenizer.json"),
                            id.dump(), kind));
}

/// Those that the files name, and those that the model's rules name by their text.
SpecialTokens special_tokens(const TokenizerRules& rules, const TokenizerFiles& files, TokenizerKind kind,
                             std::uint64_t size) {
    std::map<std::string, std::uint32_t> otherwise;
    for (const auto& [name, id] : rules.ids) {
        if (id.is_string()) otherwise.emplace(name, id_of(name, id, files));
    }
    const bool is_bounded = kind != TokenizerKind::byte_level;
    SpecialTokens tokens = find_special_tokens(files, is_bounded ? std::optional(size) : std::nullopt, otherwise);
    if (kind == TokenizerKind::llama_hf) tokens.add.emplace("bos", false);  // llama.cpp would add one
    return tokens;
}

/// What the rules say in numbers, where nothing else does. The converter adds it behind all others.
SpecialTokens numbered_tokens(const TokenizerRules& rules, const TokenizerFiles& files, std::uint64_t size,
                              const SpecialTokens& named) {
    SpecialTokens tokens;
    const auto add = [&](const std::string& name, const nlohmann::json& id) {
        if (named.ids.find(name) == named.ids.end()) tokens.ids.emplace(name, id_of(name, id, files));
    };
    for (const auto& [name, id] : rules.ids) {
        if (id.is_number()) add(name, id);
    }
    for (const TokenizerRules::BySize& by : rules.by_size) {
        if (by.size != size) continue;
        for (const auto& [name, id] : by.ids) add(name, id);
        if (by.add_bos) tokens.add["bos"] = *by.add_bos;
    }
    return tokens;
}

std::optional<bool> space_prefix(const TokenizerRules& rules, const TokenizerFiles& files, TokenizerKind kind,
                                 const Vocabulary& vocabulary) {
    const nlohmann::json& wanted = rules.space_prefix;
    const nlohmann::json& given = member(files.settings, "add_prefix_space");
    if (kind == TokenizerKind::llama_hf) return vocabulary.has_space_prefix;
    if (wanted == "config" && given.is_boolean()) return given.get<bool>();
    if (wanted.is_boolean() && kind != TokenizerKind::byte_level) return wanted.get<bool>();
    if (vocabulary.has_space_prefix == false) return false;
    return std::nullopt;
}

Vocabulary vocabulary_of(TokenizerKind kind, const TokenizerFiles& files, const TokenizerRules& rules,
                         std::uint64_t size, std::vector<std::string>& warnings) {
    if (kind == TokenizerKind::byte_level) return byte_level_vocabulary(files, size);
    if (kind == TokenizerKind::llama_hf) return llama_hf_vocabulary(files, size, warnings);
    return sentencepiece_vocabulary(files, size, rules.added, warnings);
}

std::string pre_of(TokenizerKind kind, const TokenizerFiles& files, const TokenizerRequest& request) {
    if (!request.pre.empty()) check_pre_tokenizer_name(request.pre, request.pre_tokenizers);
    if (kind != TokenizerKind::byte_level) return "default";
    if (!request.pre.empty()) return request.pre;
    return pre_tokenizer_name(files.tokenizer, pre_tokenizers_of(request.pre_tokenizers), files.path("tokenizer.json"));
}

}  // namespace

void add_tokenizer(KeyValues& metadata, const TokenizerRules& rules, const TokenizerRequest& request,
                   std::vector<std::string>& warnings) {
    const TokenizerFiles files = read_tokenizer_files(request.directory);
    const TokenizerKind kind = kind_of(rules, files);
    Vocabulary vocabulary = vocabulary_of(kind, files, rules, request.size, warnings);
    check_unique(vocabulary, request.directory);
    warn_of_added_tokens(files, request.name, warnings);
    // The converter begins with what it takes from tokenizer_config.json, and ends with what it settles itself.
    const bool is_first = rules.space_prefix == "config";
    const auto has_space_prefix = space_prefix(rules, files, kind, vocabulary);
    static const std::string kSpacePrefix = "tokenizer.ggml.add_space_prefix";
    if (is_first && has_space_prefix) metadata.set(kSpacePrefix, *has_space_prefix);
    metadata.set("tokenizer.ggml.model", vocabulary.model);
    metadata.set("tokenizer.ggml.pre", pre_of(kind, files, request));
    metadata.set("tokenizer.ggml.tokens", std::move(vocabulary.tokens));
    metadata.set("tokenizer.ggml.scores", std::move(vocabulary.scores));
    metadata.set("tokenizer.ggml.token_type", std::move(vocabulary.types));
    metadata.set("tokenizer.ggml.merges", std::move(vocabulary.merges));
    const SpecialTokens named = special_tokens(rules, files, kind, request.size);
    add_special_tokens(metadata, named);
    add_chat_templates(metadata, files);
    add_normalizer(metadata, files.tokenizer);
    add_special_tokens(metadata, numbered_tokens(rules, files, request.size, named));
    if (!is_first && has_space_prefix) metadata.set(kSpacePrefix, *has_space_prefix);
}

}  // namespace unshard::gguf
