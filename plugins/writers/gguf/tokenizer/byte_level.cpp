// Byte-level BPE (GPT-2's kind): TextModel.get_vocab_base in conversion/base.py, merges as gguf-py's SpecialVocab.

#include "tokenizer/vocabulary.hpp"
#include "unshard/error.hpp"

#include <array>
#include <sstream>

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

std::string merge_text(const nlohmann::json& merge, const std::string& where) {
    if (merge.is_string()) return merge.get<std::string>();
    if (!merge.is_array() || merge.size() != 2 || !merge[0].is_string() || !merge[1].is_string()) {
        throw Error(where + ": the merge " + merge.dump() + " is neither text nor a pair of texts");
    }
    return without_spaces(merge[0].get<std::string>()) + ' ' + without_spaces(merge[1].get<std::string>());
}

/// merges.txt: a comment, then two parts a line.
std::vector<std::string> merges_of_text(const std::string& path) {
    std::istringstream lines(read_text(path));
    std::vector<std::string> merges;
    std::string line;
    for (bool is_first = true; std::getline(lines, line); is_first = false) {
        if (is_first && line.starts_with('#')) continue;
        std::istringstream words(line);
        std::array<std::string, 3> parts;
        words >> parts[0] >> parts[1] >> parts[2];
        if (!parts[1].empty() && parts[2].empty()) merges.push_back(parts[0] + ' ' + parts[1]);
    }
    return merges;
}

std::vector<std::string> merges_of(const TokenizerFiles& files) {
    std::vector<std::string> merges;
    const nlohmann::json& list = member(member(files.tokenizer, "model"), "merges");
    if (list.is_array()) {
        merges.reserve(list.size());
        for (const nlohmann::json& merge : list) merges.push_back(merge_text(merge, files.path("tokenizer.json")));
    }
    if (merges.empty() && files.has("merges.txt")) merges = merges_of_text(files.path("merges.txt"));
    if (merges.empty()) throw Error(files.path("tokenizer.json") + ": there are no merges in it");
    return merges;
}

void check_kind(const TokenizerFiles& files) {
    if (files.tokenizer.is_null()) {
        throw Error(files.path("tokenizer.json") + ": there is no such file: a GGUF file needs the model's tokenizer");
    }
    const std::string type = text_member(member(files.tokenizer, "model"), "type", files.path("tokenizer.json"));
    if (!type.empty() && type != "BPE") {
        throw Error(files.path("tokenizer.json") + ": a tokenizer of type '" + type +
                    "' is not supported: only BPE is");
    }
}

}  // namespace

Vocabulary byte_level_vocabulary(const TokenizerFiles& files, std::uint64_t size) {
    check_kind(files);
    const LoadedTokens loaded = load_tokens(files);
    check_fits(loaded, size, files);
    Vocabulary result;
    result.model = "gpt2";
    result.merges = merges_of(files);
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
