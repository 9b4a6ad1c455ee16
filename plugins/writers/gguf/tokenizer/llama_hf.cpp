// A SentencePiece BPE that was saved as tokenizer.json only, as transformers 5 does. gguf-py's LlamaHfVocab gives all
// tokens the same score, and llama.cpp then joins from the left, whatever the merges say. Here the scores follow from
// the merges, so that llama.cpp gives the ids that transformers gives. Ids without a token are padded: llama.cpp needs
// as many tokens as the embedding has rows.

#include "tokenizer/merges.hpp"
#include "tokenizer/vocabulary.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

namespace unshard::gguf {
namespace {

using nlohmann::json;

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

bool is_byte_token(const std::string& text) {
    return text.size() == 6 && text.starts_with("<0x") && text.ends_with('>') && is_hex(text[3]) && is_hex(text[4]);
}

/// What tokenizer.json does to a text before it merges, in llama.cpp's terms.
struct TextRules {
    bool has_prefix = false;    ///< a text gets a space in front
    bool is_cut = false;        ///< words are cut apart before merging
    bool has_spaces = false;    ///< spaces become U+2581
    bool keeps_prefix = false;  ///< the space is added whatever the text begins with, and behind special tokens too
    std::vector<std::string> others;  ///< steps that llama.cpp does not take
};

void read_normalizer(TextRules& rules, const json& step) {
    const json& type = member(step, "type");
    const bool is_to_block = member(step, "content") == "\u2581";
    if (type == "Replace" && is_to_block && member(member(step, "pattern"), "String") == " ") {
        rules.has_spaces = true;
    } else if (type == "Prepend" && member(step, "prepend") == "\u2581") {
        rules.has_prefix = rules.keeps_prefix = true;
    } else {
        rules.others.push_back("normalizer " + (type.is_string() ? type.get<std::string>() : step.dump()));
    }
}

void read_pre_tokenizer(TextRules& rules, const json& step) {
    const json& type = member(step, "type");
    const json& scheme = member(step, "prepend_scheme");
    if (type == "Metaspace" && member(step, "replacement") == "\u2581") {
        rules.has_spaces = true;
        rules.is_cut = member(step, "split") != false;
        rules.has_prefix =
            rules.has_prefix || (scheme.is_null() ? member(step, "add_prefix_space") != false : scheme != "never");
    } else if (type == "Split" && rules.has_spaces && member(member(step, "pattern"), "String") == " ") {
        return;  // there are no spaces left
    } else {
        rules.others.push_back("pre-tokenizer " + (type.is_string() ? type.get<std::string>() : step.dump()));
    }
}

TextRules read_text_rules(const json& tokenizer) {
    TextRules rules;
    for (const json* step : steps_in_order(member(tokenizer, "normalizer"), "normalizers"))
        read_normalizer(rules, *step);
    for (const json* step : steps_in_order(member(tokenizer, "pre_tokenizer"), "pretokenizers"))
        read_pre_tokenizer(rules, *step);
    return rules;
}

void warn_of_rules(const TextRules& rules, const std::string& where, std::vector<std::string>& warnings) {
    for (const std::string& step : rules.others) {
        warnings.push_back(
            fmt::format("{}: llama.cpp does nothing like its {}: texts that it changes get other ids", where, step));
    }
    if (!rules.has_spaces) {
        warnings.push_back(fmt::format(
            "{}: llama.cpp takes spaces as U+2581, the tokenizer does not: texts with spaces get other ids", where));
    }
    if (rules.has_prefix && !rules.keeps_prefix) {
        warnings.push_back(
            fmt::format("{}: llama.cpp puts a space before every text and behind special tokens, the tokenizer not "
                        "before a text that begins with one or behind special tokens: such texts get other ids",
                        where));
    }
}

void warn_of_clashes(const MergeOrder& order, const std::string& where, std::vector<std::string>& warnings) {
    if (order.clashes.empty()) return;
    const Clash& first = order.clashes.front();
    const std::size_t more = order.clashes.size() - 1;
    warnings.push_back(
        fmt::format("{}: llama.cpp joins '{}' and '{}' to the token that they make together, no merge does{}: texts "
                    "with them get other ids",
                    where, first.left, first.right, more == 0 ? "" : fmt::format(", and {} pairs more", more)));
}

void warn_of_bytes(const std::vector<std::int32_t>& types, const std::string& where,
                   std::vector<std::string>& warnings) {
    const auto bytes = std::count(types.begin(), types.end(), static_cast<std::int32_t>(TokenType::byte));
    if (bytes == 256) return;
    warnings.push_back(fmt::format(
        "{}: it has {} of the 256 tokens '<0x00>' to '<0xFF>': llama.cpp fails on a text that needs the others", where,
        bytes));
}

class Builder {
public:
    Builder(const TokenizerFiles& files, std::uint64_t size, std::vector<std::string>& warnings)
        : files_(files),
          where_(files.path("tokenizer.json")),
          loaded_(load_tokens(files)),
          rules_(read_text_rules(files.tokenizer)),
          warnings_(warnings) {
        check_fits(loaded_, size, files);
        result_.model = "llama";
        for (std::uint64_t id = 0; id < size; ++id) result_.tokens.push_back(padding_token(id));
        result_.types.assign(size, static_cast<std::int32_t>(TokenType::unused));
    }

    Vocabulary build() {
        add_texts();
        add_scores();
        result_.has_space_prefix = rules_.has_prefix;
        warn_of_rules(rules_, where_, warnings_);
        warn_of_bytes(result_.types, where_, warnings_);
        return std::move(result_);
    }

private:
    void add_texts() {
        const json& own = member(member(files_.tokenizer, "model"), "unk_token");
        const json unknown = own.is_null() ? content_of(member(files_.settings, "unk_token")) : own;
        for (const auto& [id, text] : loaded_.tokens) {
            const auto added = loaded_.added.find(id);
            const bool is_added = added != loaded_.added.end();
            TokenType type = TokenType::normal;
            if (is_added) type = is_control(added->second) ? TokenType::control : TokenType::user_defined;
            if (is_byte_token(text)) type = TokenType::byte;
            if (unknown == text && !is_end(text)) type = TokenType::unknown;
            const bool is_changed = is_added && added->second.is_normalized && rules_.has_spaces;
            result_.tokens[id] = type == TokenType::user_defined && is_changed ? with_spaces(text) : text;
            result_.types[id] = static_cast<std::int32_t>(type);
        }
    }

    static bool is_control(const AddedToken& token) { return token.is_special || looks_special(token.text); }

    /// Some models use one token as unknown and as end of text: it counts as the end.
    bool is_end(const std::string& text) const { return content_of(member(files_.settings, "eos_token")) == text; }

    static json content_of(const json& token) { return token.is_object() ? member(token, "content") : token; }

    /// The order counts, not the distance: 0, -1, -2 as SentencePiece itself writes them.
    void add_scores() {
        std::unordered_map<std::string_view, std::uint64_t> ids;
        std::vector<std::string> texts;
        for (const auto& [id, text] : loaded_.tokens) {
            ids.emplace(text, id);
            texts.push_back(text);
        }
        MergeOrder order = merge_order(load_merges(files_), texts, rules_.is_cut);
        std::erase_if(order.clashes, [&](const Clash& c) { return loaded_.added.contains(ids.at(c.left + c.right)); });
        result_.scores.assign(result_.tokens.size(), -static_cast<float>(order.made.size()));
        for (std::size_t i = 0; i < order.made.size(); ++i) {
            result_.scores[ids.at(order.made[i])] = -static_cast<float>(i);
        }
        warn_of_clashes(order, where_, warnings_);
    }

    const TokenizerFiles& files_;
    std::string where_;
    LoadedTokens loaded_;
    TextRules rules_;
    std::vector<std::string>& warnings_;
    Vocabulary result_;
};

}  // namespace

bool is_llama_hf(const TokenizerFiles& files) {
    const json& model = member(files.tokenizer, "model");
    if (member(model, "type") != "BPE" || member(model, "byte_fallback") != true) return false;
    const auto steps = steps_in_order(member(files.tokenizer, "pre_tokenizer"), "pretokenizers");
    return std::none_of(steps.begin(), steps.end(), [](const json* s) { return member(*s, "type") == "ByteLevel"; });
}

Vocabulary llama_hf_vocabulary(const TokenizerFiles& files, std::uint64_t size, std::vector<std::string>& warnings) {
    const json& model = member(files.tokenizer, "model");
    for (const char* field : {"continuing_subword_prefix", "end_of_word_suffix"}) {
        const std::string text = text_member(model, field, files.path("tokenizer.json"));
        if (text.empty()) continue;
        throw Error(
            fmt::format("{}: '{}' is '{}': llama.cpp has no such thing", files.path("tokenizer.json"), field, text));
    }
    return Builder(files, size, warnings).build();
}

}  // namespace unshard::gguf
