// Ids of special tokens, whether they are added to a text, and the chat template.
#pragma once

#include "formats/gguf/key_values.hpp"
#include "tokenizer/files.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace unshard::gguf {

/// In the order in which they are found, which is that of the keys.
struct SpecialTokens {
    nlohmann::ordered_map<std::string, std::uint32_t> ids;  ///< "bos" -> 1
    nlohmann::ordered_map<std::string, bool> add;           ///< "bos" -> true
    friend bool operator==(const SpecialTokens&, const SpecialTokens&) = default;
};

/// Ids that are not below `size` are left out. `otherwise` has ids for kinds of which nothing says one.
SpecialTokens find_special_tokens(const TokenizerFiles& files, std::optional<std::uint64_t> size,
                                  const std::map<std::string, std::uint32_t>& otherwise);

/// Adds the keys. Kinds without a key in GGUF (cls) are left out.
void add_special_tokens(KeyValues& metadata, const SpecialTokens& tokens);

/// Adds tokenizer.chat_template and its named relatives.
void add_chat_templates(KeyValues& metadata, const TokenizerFiles& files);

/// Adds what the tokenizer's normalizer does to letters, where it does.
void add_normalizer(KeyValues& metadata, const nlohmann::json& tokenizer);

}  // namespace unshard::gguf
