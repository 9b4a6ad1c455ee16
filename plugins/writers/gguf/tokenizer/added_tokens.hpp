// What llama.cpp makes of added tokens, where that is not what the tokenizer makes of them.
#pragma once

#include "tokenizer/files.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace unshard::gguf {

/// The part of the name that makes llama.cpp treat the model as Phi 3: it then needs Phi 3's tokens, and added tokens
/// take the spaces behind them. Empty when there is none.
std::string_view phi3_in(const std::string& name);

/// Warns of added tokens that llama.cpp finds at other places than the tokenizer does, or with other spaces around
/// them.
void warn_of_added_tokens(const TokenizerFiles& files, const std::string& name, std::vector<std::string>& warnings);

}  // namespace unshard::gguf
