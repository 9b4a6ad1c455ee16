// What llama.cpp makes of added tokens, where that is not what the tokenizer makes of them.
#pragma once

#include "tokenizer/files.hpp"

#include <string>
#include <vector>

namespace unshard::gguf {

/// Warns of tokens of tokenizer.json that are found elsewhere, or with other spaces, in a model of this name.
void warn_of_added_tokens(const TokenizerFiles& files, const std::string& name, std::vector<std::string>& warnings);

}  // namespace unshard::gguf
