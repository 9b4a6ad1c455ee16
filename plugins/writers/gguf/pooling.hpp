// How an embedding model pools its token vectors into one; sentence-transformers keeps that in files beside the model.
#pragma once

#include "formats/gguf/key_values.hpp"

#include <string>
#include <vector>

namespace unshard::gguf {

/// Adds `arch`.pooling_type when the directory has modules.json with a module of pooling in it. Warns of a kind of
/// pooling that llama.cpp does not have.
void add_pooling(KeyValues& metadata, const std::string& arch, const std::string& directory,
                 std::vector<std::string>& warnings);

}  // namespace unshard::gguf
