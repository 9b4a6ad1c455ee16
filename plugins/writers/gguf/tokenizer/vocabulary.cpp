// What the kinds of vocabularies share: TextModel.does_token_look_special and the padding in conversion/base.py; added
// tokens as tokenizers (added_vocabulary.rs, add_tokens) and transformers 5 (TokenizersBackend.__init__) load them.

#include "tokenizer/vocabulary.hpp"

#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>

namespace unshard::gguf {
namespace {

/// Ids come from files and size arrays: no vocabulary has more.
constexpr std::uint64_t kMaxTokens = 1 << 24;

constexpr std::array kNamedTokens = {"bos_token", "eos_token", "unk_token", "sep_token",
                                     "pad_token", "cls_token", "mask_token"};

/// The text of a token given as text or as an object with `content`.
std::optional<std::string> content_of(const nlohmann::json& token) {
    const nlohmann::json& content = token.is_object() ? member(token, "content") : token;
    if (!content.is_string()) return std::nullopt;
    return content.get<std::string>();
}

class Loader {
public:
    explicit Loader(const TokenizerFiles& files)
        : files_(files), where_(files.path("tokenizer.json")), settings_(files.path("tokenizer_config.json")) {}

    LoadedTokens load() {
        add_base();
        for (const nlohmann::json& token : list(member(files_.tokenizer, "added_tokens"))) {
            const auto text = content_of(token);
            if (!text) throw Error(where_ + ": an added token has no 'content'");
            token_id(member(token, "id"), where_);
            add_by_text({*text, member(token, "special") == true, member(token, "normalized") == true});
        }
        add_settings();
        return std::move(result_);
    }

private:
    static const nlohmann::json& list(const nlohmann::json& value) {
        static const nlohmann::json kNone = nlohmann::json::array();
        return value.is_array() ? value : kNone;
    }

    void add_base() {
        const nlohmann::json& vocab = member(member(files_.tokenizer, "model"), "vocab");
        if (!vocab.is_object() || vocab.empty()) throw Error(where_ + ": there is no vocabulary in it");
        for (const auto& [text, id] : vocab.items()) {
            const auto [first, is_new] = result_.tokens.emplace(token_id(id, where_), text);
            if (!is_new) fail_twice(first->first, first->second, text);
            ids_.emplace(text, first->first);
        }
        result_.base_size = vocab.size();
    }

    [[noreturn]] void fail_twice(std::uint64_t id, const std::string& first, const std::string& second) const {
        throw Error(
            fmt::format("{}: '{}' and '{}' both have the id {}: the file is damaged: take it from the model again",
                        where_, first, second, id));
    }

    void add(std::uint64_t id, AddedToken token) {
        const auto [known, is_new] = result_.tokens.emplace(id, token.text);
        if (!is_new && known->second != token.text) fail_twice(id, known->second, token.text);
        ids_[token.text] = id;
        result_.added[id] = std::move(token);
    }

    /// A known text keeps its id, a new one gets the next: the tokenizers library ignores the id in the file.
    void add_by_text(AddedToken token) {
        const auto known = ids_.find(token.text);
        if (known != ids_.end()) return add(known->second, std::move(token));
        const std::uint64_t last = result_.added.empty() ? 0 : result_.added.rbegin()->first + 1;
        add(std::max(result_.base_size, last), std::move(token));
    }

    bool is_added(const std::string& text) const {
        const auto known = ids_.find(text);
        return known != ids_.end() && result_.added.contains(known->second);
    }

    void add_settings() {
        std::map<std::uint64_t, AddedToken> decoder;
        for (const auto& [id, token] : member(files_.settings, "added_tokens_decoder").items()) {
            const auto text = content_of(token);
            if (!text) throw Error(fmt::format("{}: the added token {} has no 'content'", settings_, id));
            decoder[token_id(id, settings_)] = {*text, member(token, "special") == true,
                                                member(token, "normalized") == true};
        }
        for (auto& [id, token] : decoder) add_by_text(std::move(token));
        for (const char* name : kNamedTokens) add_special(member(files_.settings, name));
        for (const char* name : {"extra_special_tokens", "additional_special_tokens"}) {
            for (const nlohmann::json& token : list(member(files_.settings, name))) add_special(token);
        }
    }

    void add_special(const nlohmann::json& token) {
        const auto text = content_of(token);
        if (text && !text->empty() && !is_added(*text)) add_by_text({*text, true, false});
    }

    const TokenizerFiles& files_;
    std::string where_, settings_;
    LoadedTokens result_;
    std::unordered_map<std::string, std::uint64_t> ids_;
};

}  // namespace

std::uint64_t token_id(const nlohmann::json& id, const std::string& where) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kMaxTokens) {
        throw Error(fmt::format("{}: a token has the id {}, ids are 0 to {}", where, id.dump(), kMaxTokens - 1));
    }
    return id.get<std::uint64_t>();
}

std::uint64_t token_id(const std::string& id, const std::string& where) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(id.data(), id.data() + id.size(), number);
    const bool is_number = error == std::errc() && end == id.data() + id.size();
    return token_id(is_number ? nlohmann::json(number) : nlohmann::json(id), where);
}

LoadedTokens load_tokens(const TokenizerFiles& files) {
    return Loader(files).load();
}

void check_fits(const LoadedTokens& loaded, std::uint64_t size, const TokenizerFiles& files) {
    const auto& [id, text] = *loaded.tokens.rbegin();
    if (id < size) return;
    throw Error(fmt::format(
        "{}: token '{}' has the id {}, the model's embedding has {} rows: the tokenizer does not belong to this model",
        files.path("tokenizer.json"), text, id, size));
}

bool looks_special(std::string_view text) {
    static constexpr std::array<std::string_view, 4> kKnown = {"<pad>", "<mask>", "<2mass>", "[@BOS@]"};
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kBrackets = {
        std::pair{"<|", "|>"}, std::pair{"<\uFF5C", "\uFF5C>"}, std::pair{"<unused", ">"}};
    return std::find(kKnown.begin(), kKnown.end(), text) != kKnown.end() ||
           std::any_of(kBrackets.begin(), kBrackets.end(),
                       [&](const auto& b) { return text.starts_with(b.first) && text.ends_with(b.second); });
}

std::string with_spaces(std::string text) {
    static constexpr std::string_view kBlock = "\u2581";
    for (std::size_t at = text.find(kBlock); at != std::string::npos; at = text.find(kBlock, at + 1)) {
        text.replace(at, kBlock.size(), " ");
    }
    return text;
}

std::string padding_token(std::uint64_t id) {
    return fmt::format("[PAD{}]", id);
}

void check_unique(const Vocabulary& vocabulary, const std::string& directory) {
    std::unordered_map<std::string_view, std::size_t> ids;
    ids.reserve(vocabulary.tokens.size());
    for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
        const auto [first, is_new] = ids.emplace(vocabulary.tokens[id], id);
        if (is_new) continue;
        throw Error(fmt::format("{}: tokens {} and {} are both '{}': llama.cpp needs each token once", directory,
                                first->second, id, vocabulary.tokens[id]));
    }
}

}  // namespace unshard::gguf
