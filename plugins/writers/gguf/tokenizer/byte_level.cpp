// Byte-level BPE (GPT-2's kind): TextModel.get_vocab_base in conversion/base.py, merges as gguf-py's SpecialVocab.

#include "tokenizer/merges.hpp"
#include "tokenizer/pre_tokenizer.hpp"
#include "tokenizer/vocabulary.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard::gguf {
namespace {

/// A space inside a part would split the pair in the wrong place; in the byte alphabet it is written as U+0120.
std::string without_spaces(const std::string& part) {
    std::string result;
    for (const char c : part) {
        if (c == ' ') {
            result += "\u0120";
        } else {
            result += c;
        }
    }
    return result;
}

std::vector<std::string> merge_texts(const std::vector<Merge>& merges) {
    std::vector<std::string> texts;
    texts.reserve(merges.size());
    for (const Merge& m : merges) texts.push_back(without_spaces(m.left) + ' ' + without_spaces(m.right));
    return texts;
}

void check_kind(const TokenizerFiles& files) {
    if (files.tokenizer.is_null()) {
        throw Error(files.path("tokenizer.json") + ": there is no such file: a GGUF file needs the model's tokenizer");
    }
    const std::string type = text_member(member(files.tokenizer, "model"), "type", files.path("tokenizer.json"));
    if (!type.empty() && type != "BPE") {
        throw Error(fmt::format("{}: a tokenizer of type '{}' is not supported: only BPE is",
                                files.path("tokenizer.json"), type));
    }
    const auto is_byte_level = [](const nlohmann::json* step) { return member(*step, "type") == "ByteLevel"; };
    const auto cuts = steps_in_order(member(files.tokenizer, "pre_tokenizer"), "pretokenizers");
    const auto normalizers = steps_in_order(member(files.tokenizer, "normalizer"), "normalizers");
    if (std::ranges::any_of(cuts, is_byte_level) || std::ranges::any_of(normalizers, is_byte_level)) return;
    const std::vector<std::string> steps = steps_of(member(files.tokenizer, "pre_tokenizer"));
    throw Error(
        fmt::format("{}: its pre-tokenizer, {}, is not byte-level, and the model has no 'byte_fallback': llama.cpp has "
                    "no such tokenizer",
                    files.path("tokenizer.json"), steps.empty() ? "none" : name_list(steps, steps.size())));
}

}  // namespace

Vocabulary byte_level_vocabulary(const TokenizerFiles& files, std::uint64_t size) {
    check_kind(files);
    const LoadedTokens loaded = load_tokens(files);
    check_fits(loaded, size, files);
    Vocabulary result;
    result.model = "gpt2";
    result.merges = merge_texts(load_merges(files));
    result.tokens.reserve(size);
    result.types.reserve(size);
    for (std::uint64_t id = 0; id < size; ++id) {
        const auto base = loaded.tokens.find(id);
        const auto added = loaded.added.find(id);
        TokenType type = TokenType::normal;
        std::string text = base == loaded.tokens.end() ? padding_token(id) : base->second;
        if (base == loaded.tokens.end()) {
            type = TokenType::unused;
        } else if (added != loaded.added.end()) {
            const bool is_control = added->second.is_special || looks_special(text);
            type = is_control ? TokenType::control : TokenType::user_defined;
            if (!is_control) text = with_spaces(std::move(text));
        }
        result.tokens.push_back(std::move(text));
        result.types.push_back(static_cast<std::int32_t>(type));
    }
    return result;
}

}  // namespace unshard::gguf
