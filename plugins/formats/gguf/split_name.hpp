// The names of a model's files when it is in several.
#pragma once

#include <cstdint>
#include <string>

namespace unshard::gguf {

/// "-00002-of-00003.gguf": what the name of file `number`, from 0 on, of `count` ends in (llama_split_path).
std::string split_suffix(std::uint64_t number, std::uint64_t count);

}  // namespace unshard::gguf
