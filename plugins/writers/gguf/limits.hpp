// Limits of the counts in a file: llama.cpp aborts when one is broken.
#pragma once

#include "formats/gguf/key_values.hpp"

#include <string>

namespace unshard::gguf {

/// Throws Error that names the key and both values.
void check_limits(const KeyValues& metadata, const std::string& arch);

}  // namespace unshard::gguf
