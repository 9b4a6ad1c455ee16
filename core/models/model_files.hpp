// The files of configs/models and of the user's own directories of models, each read once.
#pragma once

#include "models/document.hpp"
#include "models/rules.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace unshard {

class ModelFiles {
public:
    ModelFiles() = default;

    /// Reads every *.toml in each directory; a file with none of the main keys is something else. Throws UsageError
    /// with file:line:column for what is not TOML or has an unknown key, and when two files of a directory are for the
    /// same class.
    explicit ModelFiles(std::vector<std::string> directories);

    /// The file for a class, of the first directory that has one. A class that puts another head on a model
    /// (Qwen2Model, Qwen2ForSequenceClassification, as in heads/heads.toml of the directory) has that of its causal
    /// language model, with the head in place of the output weights. Tables of plugins that the file lacks are those of
    /// the next directory's. Nothing when no directory has the class.
    std::optional<Document> find(const std::string& architecture) const;

    /// Each table of the files with the classes that files with it are for, sorted.
    std::map<std::string, std::set<std::string>> architectures_by_table() const;

    const std::vector<std::string>& directories() const { return directories_; }

private:
    struct Directory {
        std::vector<Document> models;
        std::optional<Document> heads;
    };

    std::vector<std::string> directories_;
    std::vector<Directory> contents_;
};

/// The rules for a config.json's class; nothing when there are none.
std::optional<ModelRules> find_rules(const ModelFiles& files, const nlohmann::json& config);

/// What is known of a model, and where it was looked for.
struct KnownModel {
    std::optional<ModelRules> rules;
    std::vector<std::string> directories;
};

}  // namespace unshard
