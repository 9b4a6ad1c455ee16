// Mixture-of-experts weights: one tensor for all experts of a layer, or one for each.
#pragma once

#include "models/model_files.hpp"
#include "unshard/plan.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace unshard {

/// The plan with its experts in a form of kExpertForms, whichever they were in; tensors whose names alone differ
/// between the forms (a router) come along. What the model is comes from `config` (null when there is no config.json)
/// and what is known of it. Throws Error that names what is missing.
Plan with_experts(Plan plan, std::string_view form, const nlohmann::json& config, const KnownModel& known);

/// Each stacked tensor becomes one tensor for each expert, its copies and replicas cut accordingly.
/// Throws Error for a shape that is not the one of config.json, or a view that cuts through a part.
Plan separate_experts(Plan plan, const ModelRules& rules, const Values& values);

/// The tensors of single experts become one stacked tensor. Throws Error for a part that is missing or of another dtype
/// or shape than its neighbours.
Plan stack_experts(Plan plan, const ModelRules& rules, const Values& values);

}  // namespace unshard
