// config.json as transformers reads it: with the defaults of the model's configuration class and what its code makes of
// the settings. All that looks at a setting looks here, so that a rule of transformers stands in one place: in the data
// of configs/models/transformers, which tests/support/make_config_classes.py and make_architectures.py derive from
// transformers.
#pragma once

#include <nlohmann/json.hpp>

#include <span>
#include <string>
#include <vector>

namespace unshard {

/// A class as transformers calls it: without what FSDP2 puts in front ("FSDPQwen2ForCausalLM", as transformers up
/// to 4.56 saves it).
std::string plain_class_name(std::string name);

struct ModelConfig {
    nlohmann::json file;  ///< config.json's content, null when there is none
    /// A merge patch (RFC 7396): what must not be written as it is in the file, namely names of classes.
    nlohmann::json corrections = nlohmann::json::object();

    /// An object like config.json, null when there is none: its root, over that the language model's settings with all
    /// that its class fills in. `rope_parameters` has all that is said of rope; `tie_word_embeddings` is true when the
    /// output weights are the embedding; `architectures` are the model's classes, those that config.json names or else
    /// the one that its model_type stands for. Of `text_config` only `architectures` is left. Of a class that is not
    /// known: a `text_config` put over the root.
    nlohmann::json settings;

    /// Regular expressions of the tensors that transformers keeps in float32 whatever dtype it is asked for, and of
    /// those that it keeps so when it is asked for float16.
    std::vector<std::string> kept_f32, kept_f32_of_f16;

    std::vector<std::string> warnings;
};

/// `file` is config.json's content, or null. `directories` are those of models: the first that has the data counts;
/// without any no class is known. When it is of a class that is not known, it is taken for one of the architectures
/// `otherwise`. Throws Error that names the field.
ModelConfig model_config(const nlohmann::json& file, std::span<const std::string> directories,
                         const std::vector<std::string>& otherwise = {});

/// The first of these fields that is there and not null, else null. "a.b" is field b of the object a.
const nlohmann::json& find_field(const nlohmann::json& config, const std::vector<std::string>& fields);

}  // namespace unshard
