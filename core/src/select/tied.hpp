// Output weights that are the embedding once more.
#pragma once

#include "unshard/plan.hpp"

#include <nlohmann/json.hpp>

#include <functional>
#include <string>

namespace unshard {

/// When config.json says tied: drops `lm_head.weight` and makes its pieces replicas of the embedding, so that the copy
/// pass proves them equal. `is_kept` names what must stay. Throws Error when the two cannot be equal.
void drop_tied_head(Plan& plan, const nlohmann::json& config, const std::function<bool(const std::string&)>& is_kept);

}  // namespace unshard
