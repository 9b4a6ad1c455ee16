// llama.cpp finds an added token wherever its text stands. Whether it also takes the spaces beside it depends on the
// model's name only (llama_vocab::impl::load, "set attributes by model/tokenizer/architecture name").

#include "tokenizer/added_tokens.hpp"

#include "unshard/tools/ascii.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace unshard::gguf {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 3> kUnstripped = {"<unk>", "<s>", "<|endoftext|>"};

bool has_prepend(const json& tokenizer) {
    const auto steps = steps_in_order(member(tokenizer, "normalizer"), "normalizers");
    return std::ranges::any_of(steps, [](const json* step) { return member(*step, "type") == "Prepend"; });
}

/// The first of the tokens with a property, and how many there are.
class Odd {
public:
    void add(const json& token) {
        if (count_++ == 0) first_ = member(token, "content").dump();
    }
    void warn(const std::string& where, const std::string& what, std::vector<std::string>& warnings) const {
        if (count_ == 0) return;
        const std::string others = count_ == 1 ? "" : fmt::format(" and {} more", count_ - 1);
        warnings.push_back(
            fmt::format("{}: added token {}{}: {}: texts with it get other ids", where, first_, others, what));
    }

private:
    std::string first_;
    std::size_t count_ = 0;
};

}  // namespace

std::string_view phi3_in(const std::string& name) {
    const std::string lower = ascii_lower(name);
    for (const std::string_view part : {"phi3", "phi-3"}) {
        if (lower.find(part) != std::string::npos) return part;
    }
    return {};
}

void warn_of_added_tokens(const TokenizerFiles& files, const std::string& name, std::vector<std::string>& warnings) {
    Odd words, stripped, kept, prepended;
    for (const json& token : member(files.tokenizer, "added_tokens")) {
        const json& text = member(token, "content");
        const bool is_stripped = !phi3_in(name).empty() && std::ranges::none_of(kUnstripped, [&](const auto& name_of) {
            return text == json(name_of);
        });
        if (member(token, "single_word") == true) words.add(token);
        if (member(token, "lstrip") == true || (member(token, "rstrip") == true && !is_stripped)) stripped.add(token);
        if (member(token, "rstrip") == false && is_stripped) kept.add(token);
        if (member(token, "normalized") == true && has_prepend(files.tokenizer)) prepended.add(token);
    }
    const std::string where = files.path("tokenizer.json");
    words.warn(where, "the tokenizer finds it as a word of its own only, llama.cpp everywhere", warnings);
    stripped.warn(where, "the tokenizer takes spaces beside it for its own, llama.cpp does not", warnings);
    kept.warn(
        where,
        fmt::format("llama.cpp takes spaces behind it for its own in a model called '{}', the tokenizer not", name),
        warnings);
    prepended.warn(where, "the tokenizer finds it behind a space only, llama.cpp everywhere", warnings);
}

}  // namespace unshard::gguf
