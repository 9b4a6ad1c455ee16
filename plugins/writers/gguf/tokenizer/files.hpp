// What a tokenizer is made of on disk, read once.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace unshard::gguf {

/// The JSON files of a model directory; null where there is none.
struct TokenizerFiles {
    std::string directory;
    nlohmann::json tokenizer;  ///< tokenizer.json, or what vocab.json and merges.txt amount to
    nlohmann::json settings;   ///< tokenizer_config.json
    nlohmann::json added;      ///< added_tokens.json
    nlohmann::json config;     ///< config.json, as it is

    std::string path(const std::string& name) const { return directory + "/" + name; }
    bool has(const std::string& name) const;
};

/// Throws Error that names the file that is not a JSON object.
TokenizerFiles read_tokenizer_files(const std::string& directory);

/// A whole file, which must not be longer than a tokenizer's files are.
std::string read_text(const std::string& path);

/// A member of an object, or null when it is not there or `object` is none.
const nlohmann::json& member(const nlohmann::json& object, const std::string& key);

/// A member that must be text; empty when it is not there. Throws Error that names `where` and the key.
std::string text_member(const nlohmann::json& object, const std::string& key, const std::string& where);

/// The steps of a normalizer, pre-tokenizer or post-processor, in order: `step` itself, or when it is a Sequence what
/// its `list` holds, Sequences in it likewise. None for null.
std::vector<const nlohmann::json*> steps_in_order(const nlohmann::json& step, const char* list);

}  // namespace unshard::gguf
