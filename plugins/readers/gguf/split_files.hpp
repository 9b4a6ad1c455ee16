// A model in one GGUF file, or in several: PREFIX-00001-of-00003.gguf and so on.
#pragma once

#include "gguf/header.hpp"

#include <string>
#include <vector>

namespace unshard::gguf {

struct ModelFile {
    std::string path;
    std::uint64_t bytes = 0;
    FileStamp stamp;
    Header header;
};

/// Whether the path is a file that begins as GGUF does, or a directory with files `*.gguf`. Throws Error when it cannot
/// be read.
bool has_model_files(const std::string& path);

/// For a file: all files of the model that it belongs to, in their order. For a directory: those of the one model in
/// it. Throws Error when a file is missing, belongs to another model, or has another number than its name says, and
/// when a directory holds several models.
std::vector<ModelFile> read_model_files(const std::string& path);

}  // namespace unshard::gguf
