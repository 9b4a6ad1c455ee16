// How a byte-level tokenizer cuts text before it merges, and what llama.cpp calls that.
#pragma once

#include "models/document.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <vector>

namespace unshard::gguf {

/// One entry of data/pre-tokenizers.toml.
struct PreTokenizer {
    std::string name;                   ///< value of tokenizer.ggml.pre
    std::vector<std::string> steps;     ///< as steps_of gives them
    std::string token;                  ///< only for a vocabulary with this token, when not empty
    std::optional<bool> ignore_merges;  ///< only for a tokenizer that says so
    friend bool operator==(const PreTokenizer&, const PreTokenizer&) = default;
};

/// Throws UsageError with file:line:column for anything that it does not understand.
std::vector<PreTokenizer> pre_tokenizers_of(const Document& file);

/// Throws UsageError when `name` is none of the names that the file lists.
void check_pre_tokenizer_name(const std::string& name, const Document& file);

/// The steps of a tokenizer.json's `pre_tokenizer`, in order: "split PATTERN", "bytes", "words and bytes",
/// "digits one by one", "digits", "punctuation Contiguous", or the type of any other.
std::vector<std::string> steps_of(const nlohmann::json& pre_tokenizer);

/// The name of the first of `known` that fits. Throws Error that shows the steps and the nearest that is known.
std::string pre_tokenizer_name(const nlohmann::json& tokenizer, const std::vector<PreTokenizer>& known,
                               const std::string& where);

}  // namespace unshard::gguf
