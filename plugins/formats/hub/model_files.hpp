// Which files of a Hugging Face directory make up the model.
#pragma once

#include "unshard/index.hpp"

#include <map>
#include <string>
#include <vector>

namespace unshard::hub {

/// How the files of a model are called, in one of the forms that a directory may hold beside each other.
struct FileForm {
    const char* what;     ///< "safetensors"
    const char* head;     ///< every name begins with it
    const char* tensors;  ///< ".safetensors"
    const char* model;    ///< the file that is the whole model
};
/// Tools put any word in place of "model" (diffusion_pytorch_model).
inline constexpr FileForm kSafetensors{"safetensors", "", ".safetensors", "model.safetensors"};
/// Other .bin files beside these are an optimizer's, a trainer's or of other programs.
inline constexpr FileForm kTorch{"torch", "pytorch_model", ".bin", "pytorch_model.bin"};

struct ModelFiles {
    std::vector<std::string> paths{};
    std::string index{};                              ///< its path; empty when there is none
    std::map<std::string, std::string> weight_map{};  ///< the index's: tensor to path
    std::vector<Dropped> dropped{};                   ///< other files of the form in the directory
};

enum class Certainty {
    nothing,    ///< no file of the form
    some_file,  ///< a directory with files whose names do not say that they are a model
    model,      ///< a file, or a directory with an index, the model's usual file or numbered parts
};

/// Throws Error when the directory cannot be read.
Certainty look_at(const std::string& path, const FileForm& form);

/// For a file, that file; it may be one of several numbered parts only when `is_part_wanted`. For a directory: the
/// files of its index, or else the model's usual file, or else all numbered parts, or else the only file. Throws Error
/// when none of these is there, when parts are missing or not in the index, or when there are several models.
ModelFiles find_model_files(const std::string& path, const FileForm& form, bool is_part_wanted);

/// Throws Error unless each tensor is in the file that the index says, and nowhere else. `files` are the paths that
/// tensors count.
void check_against_index(const ModelFiles& model, const std::vector<SourceTensor>& tensors,
                         const std::vector<SourceFile>& files);

}  // namespace unshard::hub
