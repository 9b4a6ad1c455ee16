// Embeddings with more rows than config.json's vocab_size: training code pads them, and a config.json can be older than
// the tokens that were added.
#pragma once

#include "models/model_files.hpp"
#include "pipeline/pipeline.hpp"
#include "unshard/plan.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace unshard {

struct VocabularyContext {
    const nlohmann::json& config;       ///< the settings (ModelConfig::settings)
    const nlohmann::json& config_file;  ///< config.json itself
    const KnownModel& known;
};

/// Applies the pipeline's `extra_rows` to the plan (cut), or to config.json by way of `config_changes` (keep). Says in
/// the plan's warnings how many rows were cut, and returns whether any were. Where neither was asked for, the
/// completeness check refuses such rows.
bool fit_vocabulary(Plan& plan, const VocabularyContext& context, const std::string& extra_rows,
                    nlohmann::json& config_changes);

}  // namespace unshard
