// The program: six passes from a pipeline to files.
#pragma once

#include "models/model_config.hpp"
#include "models/model_files.hpp"
#include "pipeline/pipeline.hpp"
#include "plugins/plugin_loader.hpp"
#include "report/run_report.hpp"

#include <string>
#include <vector>

namespace unshard {

/// How far along a conversion is; implemented by the command line.
struct Observer {
    virtual ~Observer() = default;
    virtual void pass(std::string_view name) { (void)name; }
    virtual void warning(std::string_view text) { (void)text; }
    virtual void indexed(std::uint64_t done, std::uint64_t total) { (void)done, (void)total; }
    virtual void progress(std::uint64_t done, std::uint64_t total) { (void)done, (void)total; }
};

struct RunOptions {
    bool dry_run = false;  ///< stop after verify: no file is made
    bool force = false;    ///< replace existing outputs, once the new ones are complete
    bool sync = true;      ///< outputs are on the disk before they get their names
};

/// A whole model, ready to be copied or compared.
struct Model {
    std::string path, reader, merger, assets;
    CheckpointIndex index;
    Plan plan;
    std::vector<std::string> name_changes;  ///< what was changed in names without being asked for, in words
    bool pads_vocabulary = false;           ///< of the dialect whose names the checkpoint has
    ModelFiles files;
    ModelConfig config;                                        ///< with `config_changes` made
    nlohmann::json config_changes = nlohmann::json::object();  ///< a merge patch: what outputs must change in the file
    KnownModel known;                                          ///< of the class in config.json
};

/// The passes index, plan and select. Warnings of the index reach the observer, those of the plan stay in it.
Model read_model(const Pipeline& pipeline, const Plugins& plugins, Observer& observer);

/// As many as the pipeline says, or as there are cores.
unsigned thread_count(const Pipeline::Engine& engine);

/// Throws Error or UsageError; no output is left then, and none that existed was touched.
RunReport run(const Pipeline& pipeline, const RunOptions& options, Observer& observer);

}  // namespace unshard
