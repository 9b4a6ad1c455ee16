// The pipeline file: what to read, how to merge, what to write. The command line makes the same values.
#pragma once

#include <nlohmann/json.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unshard {

/// What `[output] experts` can be: as `names` makes them, as they are, one tensor for all experts of a layer, or one for
/// each.
inline constexpr std::array<std::string_view, 4> kExpertForms = {"auto", "keep", "stacked", "separate"};

/// What to do with rows of the embedding past vocab_size: refuse the model, leave them out, or write them and change
/// vocab_size. "auto" leaves them out where the checkpoint's dialect is known to pad, and refuses them elsewhere.
inline constexpr std::array<std::string_view, 4> kExtraRows = {"auto", "refuse", "cut", "keep"};

/// The first match of `from` in a name is replaced by `to`; what it does not match stays.
struct RenameRule {
    std::string from;  ///< RE2; found anywhere unless ^ and $ say where
    std::string to;    ///< with \1, \2, ... for groups
};

/// A pipeline with every default filled in. Paths are absolute or relative to the working directory.
struct Pipeline {
    struct Input {
        std::string path;
        std::string reader = "auto";
        std::string assets = "auto";  ///< "auto", "none" or a directory
        std::string root = "auto";
        nlohmann::json options = nlohmann::json::object();
    } input;
    struct Merge {
        std::string merger = "auto";
        std::string rules;
        bool verify_replicas = false;
        nlohmann::json options = nlohmann::json::object();
    } merge;
    struct Select {
        std::string names = "auto";                 ///< a dialect, see plan/translate.hpp
        std::vector<std::string> strip = {"auto"};  ///< prefixes; "auto": those of wrappers, see plan/strip.hpp
        std::vector<RenameRule> rename;             ///< each rule in turn
        std::vector<std::string> keep;              ///< RE2: names that no rule drops, tied weights included
        std::vector<std::string> drop;              ///< RE2
        bool allow_missing = false;  ///< tensors that the model's class has and the checkpoint has not are a warning
        std::string extra_rows = "auto";  ///< one of kExtraRows
    } select;
    struct Output {
        std::string path;
        std::string writer;
        std::string dtype = "keep";
        std::string max_shard_size;                         ///< empty: the writer's default
        std::string names = "keep";                         ///< a dialect, "hub" among them; see plan/translate.hpp
        std::string experts = "auto";                       ///< one of kExpertForms
        nlohmann::json options = nlohmann::json::object();  ///< `types` too, which has its own place in the file
    };
    std::vector<Output> outputs;
    struct Engine {
        unsigned threads = 0;  ///< 0: all
        std::uint64_t tile_mib = 4;
        std::vector<std::string> plugin_path;
    } engine;
    std::string models;  ///< facts about models that come before the program's own: the file's directory's `models`
};

/// Whether rules or names are a file; else they are a name in one of the directories of models.
bool is_data_file(const std::string& name);

/// A value from the command line, put over the file's before anything is checked.
struct Setting {
    std::string key;       ///< "input.root"; "output.dtype" is every output's, "output.1.dtype" the second's
    std::string value;     ///< TOML; what is not TOML is a string
    std::string option;    ///< as the user wrote it, for messages
    bool is_text = false;  ///< never TOML: a string, whatever it looks like
    bool prepend = false;  ///< an array that goes in front of the one that is there
};

/// Reads a pipeline file; relative paths in it are relative to the file. Throws UsageError with file:line:column for
/// unknown keys (and the nearest known one), wrong types and values, and with the option for those of `settings`.
/// Plugins are programs: a file that comes with a plugin_path of its own is refused unless `trust_plugins` says that it
/// may.
Pipeline load_pipeline(const std::string& file, std::span<const Setting> settings, bool trust_plugins);

/// The pipeline that settings alone make, with one output.
Pipeline pipeline_of(std::span<const Setting> settings);

/// The same for a model that is only read. Throws UsageError when a setting is one of an output.
Pipeline pipeline_without_output(std::span<const Setting> settings);

/// The pipeline as an annotated TOML file that load_pipeline reads back to the same values.
std::string to_toml(const Pipeline& pipeline);

/// A TOML string, quoted. Throws UsageError for what is not UTF-8.
std::string toml_string(const std::string& text);

}  // namespace unshard
