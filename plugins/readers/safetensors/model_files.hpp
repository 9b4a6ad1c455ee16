// Which files of a Hugging Face directory make up the model.
#pragma once

#include "unshard/index.hpp"

#include <map>
#include <string>
#include <vector>

namespace unshard::safetensors {

struct ModelFiles {
    std::vector<std::string> paths{};
    std::string index{};                              ///< its path; empty when there is none
    std::map<std::string, std::string> weight_map{};  ///< the index's: tensor to path
    std::vector<Dropped> dropped{};                   ///< other safetensors files in the directory
};

/// Whether the path is a safetensors file by its name, or a directory with such files or an index. Never throws.
bool has_model_files(const std::string& path) noexcept;

/// For a file, that file. For a directory: the files of its index, or else model.safetensors, or else the only one.
/// Throws Error when none of these is there, or several are.
ModelFiles find_model_files(const std::string& path);

}  // namespace unshard::safetensors
