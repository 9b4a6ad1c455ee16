// Weights that a checkpoint stores quantised, in tensors of their own beside scales: block-scaled float8, bitsandbytes,
// GPTQ, AWQ, compressed-tensors, MXFP4. Such a model can be copied as it is; nothing in it can be cast, and neither
// part means anything without the other.
#pragma once

#include "pipeline/pipeline.hpp"
#include "unshard/plan.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <string>

namespace unshard {

struct QuantisedWeights {
    /// Scales, zero points and the like: name -> the weight (as the model's class calls it) that they belong to.
    std::map<std::string, std::string> companions;
    /// Packed weights under names of their own: name -> the weight that they stand for.
    std::map<std::string, std::string> packed;

    bool empty() const { return companions.empty() && packed.empty(); }
};

/// By the names of the tensors, those that were dropped included.
QuantisedWeights find_quantised(const Plan& plan);

/// Throws Error when an output would hold other values than the model's: a cast, a writer that needs the values, scales
/// without their weights or weights without their scales, or no word in config.json that the weights are quantised.
void check_quantised(const QuantisedWeights& quantised, const Plan& plan, const nlohmann::json& config,
                     const std::vector<Pipeline::Output>& outputs);

}  // namespace unshard
