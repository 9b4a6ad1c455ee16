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

enum class Certainty {
    nothing,    ///< no safetensors file
    some_file,  ///< a directory with files whose names do not say that they are a model
    model,      ///< a file, or a directory with an index, model.safetensors or numbered parts
};

/// Throws Error when the directory cannot be read.
Certainty look_at(const std::string& path);

/// For a file, that file; it may be one of several numbered parts only when `is_part_wanted`. For a directory: the
/// files of its index, or else model.safetensors, or else all numbered parts, or else the only file. Throws Error when
/// none of these is there, when parts are missing, or when there are several models.
ModelFiles find_model_files(const std::string& path, bool is_part_wanted);

}  // namespace unshard::safetensors
