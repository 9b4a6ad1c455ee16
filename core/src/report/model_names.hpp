// What becomes of each tensor of a model: its names on the Hub, in memory, and in the formats of plugins.
#pragma once

#include "models/model_files.hpp"
#include "unshard/dims.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <string>
#include <vector>

namespace unshard {

/// A tensor as it is written to safetensors.
struct TensorNames {
    std::string hub;  ///< what save_pretrained calls it
    Dims shape;
    std::vector<std::string> runtime;  ///< what state_dict() calls what it is made of
    /// By the table of the model's file, such as "gguf": what the plugin of that name calls it. A part of a tensor, and a
    /// tensor of one expert, have the name of the whole.
    std::map<std::string, std::vector<std::string>> others;
};

struct ModelNames {
    std::string architecture;
    std::string file;            ///< that says what the model has
    bool has_own_sizes = false;  ///< those of a config.json; else the defaults of the class
    std::vector<TensorNames> tensors;
    std::vector<std::string> not_described;  ///< how names of other parts of the model begin, such as its vision tower
};

/// `model` is a directory with a config.json, such a file, or the name of a class. `directories` are those of models.
/// Throws UsageError when it is neither, Error when nothing is known of the class.
ModelNames model_names(const std::string& model, const std::vector<std::string>& directories);

/// For people. Tensors whose names differ in numbers alone share a line, unless `all`.
std::string to_text(const ModelNames& names, bool all);

/// Everything, for scripts.
nlohmann::ordered_json to_json(const ModelNames& names);

}  // namespace unshard
