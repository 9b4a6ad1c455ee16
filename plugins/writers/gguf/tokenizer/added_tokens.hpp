// What llama.cpp makes of added tokens, where that is not what the tokenizer makes of them.
#pragma once

#include "tokenizer/files.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace unshard::gguf {

/// What makes llama.cpp take a model of this name for Phi 3, with its tokens, and the spaces behind added ones for
/// theirs; empty when nothing does.
std::string_view phi3_in(const std::string& name);

/// Warns of tokens of tokenizer.json that are found elsewhere, or with other spaces, in a model of this name.
void warn_of_added_tokens(const TokenizerFiles& files, const std::string& name, std::vector<std::string>& warnings);

}  // namespace unshard::gguf
