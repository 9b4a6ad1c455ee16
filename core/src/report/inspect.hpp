// What is in a checkpoint or a model, without its tensor bytes.
#pragma once

#include "pipeline/pipeline.hpp"
#include "plugins/plugin_loader.hpp"
#include "unshard/index.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace unshard {

struct Inspection {
    std::string path;
    std::string reader;  ///< the plugin that read it
    CheckpointIndex index;
};

/// `input.path` is whatever a reader reads, or a directory with one such below. Throws Error as `locate_input` and the
/// readers do.
Inspection inspect(const Pipeline::Input& input, const Plugins& plugins, unsigned threads);

/// For people. Tensors whose names differ in numbers alone share a line, unless `all`.
std::string to_text(const Inspection& inspection, bool all);

/// Everything, for scripts.
nlohmann::ordered_json to_json(const Inspection& inspection);

}  // namespace unshard
