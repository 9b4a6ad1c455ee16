// The program: six passes from a pipeline to files.
#pragma once

#include "copy/copy.hpp"
#include "pipeline/pipeline.hpp"
#include "plugins/plugin_loader.hpp"

#include <string>
#include <vector>

namespace unshard {

/// How far along a conversion is; implemented by the command line.
struct Observer {
    virtual ~Observer() = default;
    virtual void pass(std::string_view name) { (void)name; }
    virtual void warning(std::string_view text) { (void)text; }
    virtual void progress(std::uint64_t done, std::uint64_t total) { (void)done, (void)total; }
};

struct RunOptions {
    bool dry_run = false;  ///< stop after verify: no file is made
    bool force = false;    ///< replace existing outputs, once the new ones are complete
    bool sync = true;      ///< outputs are on the disk before they get their names
};

struct OutputReport {
    std::string path;
    std::string writer;
    std::vector<OutputFile> files;  ///< without assets
    std::uint64_t bytes = 0;        ///< of all files, without assets
    std::uint64_t tensors = 0;
    std::vector<std::string> assets;
    std::vector<Dropped> dropped;               ///< by the writer
    std::vector<std::string> left_behind = {};  ///< files beside the model that are not copied
};

/// What a conversion did, or, for a dry run, would do.
struct RunReport {
    std::string input, format, reader, merger, assets;
    std::uint64_t ranks = 0, source_files = 0, source_bytes = 0;
    std::uint64_t tensors = 0, parameters = 0;
    std::vector<std::string> name_changes;  ///< what was taken off names, in words
    std::string model_check;                ///< how the tensors were held against what the model's class has, in words
    std::vector<Dropped> dropped;           ///< by the reader, merger and select
    std::vector<std::string> warnings;
    std::vector<OutputReport> outputs;
    CopyReport copied;
    double seconds = 0;
};

/// A whole model, ready to be copied or compared.
struct Model {
    std::string path, reader, merger, assets;
    CheckpointIndex index;
    Plan plan;
    std::vector<std::string> name_changes;                     ///< what was taken off names, in words
    nlohmann::json config;                                     ///< ModelConfig::settings
    nlohmann::json config_file;                                ///< config.json itself; null when there is none
    nlohmann::json config_changes = nlohmann::json::object();  ///< a merge patch: what outputs must change in the file
    std::vector<std::string> models;                           ///< where facts about models are, the first counts
};

/// The passes index, plan and select. Warnings of the index reach the observer, those of the plan stay in it.
Model read_model(const Pipeline& pipeline, const Plugins& plugins, Observer& observer);

/// As many as the pipeline says, or as there are cores.
unsigned thread_count(const Pipeline::Engine& engine);

/// Throws Error or UsageError; no output is left then, and none that existed was touched.
RunReport run(const Pipeline& pipeline, const RunOptions& options, Observer& observer);

}  // namespace unshard
