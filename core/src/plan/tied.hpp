// Output weights that are tied to the embedding.
#pragma once

#include "unshard/plan.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <string>

namespace unshard {

struct TiedContext {
    const nlohmann::json& config;       ///< the settings (ModelConfig::settings)
    const nlohmann::json& config_file;  ///< config.json itself
    std::function<bool(const std::string&)> is_kept;
};

/// When the settings say tied: drops `lm_head.weight` and makes its pieces replicas of the embedding, so that the copy
/// pass proves them equal. If the user keeps `lm_head.weight`, config.json must say that the two are not tied:
/// otherwise loaders ignore it. Throws Error when the two cannot be equal.
void drop_tied_head(Plan& plan, const TiedContext& context, nlohmann::json& config_changes);

}  // namespace unshard
