// Plain tensors, one part for each rank. Nothing in the checkpoint says how they were split, so the model's rules do.

#include "models/plugin_facts.hpp"
#include "tensor_parallel/plan.hpp"
#include "unshard/plugin.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {
namespace {

/// The rules for config.json's class, or those that the pipeline names.
ModelRules rules_for(const Request& request) {
    if (const std::optional<Document> file = model_document(request)) return rules_of(*file);
    const std::vector<std::string> known = known_architectures(request, "tensors");
    if (known.empty()) throw UsageError("merger 'tensor_parallel' needs rules: pass --rules");
    throw UsageError(fmt::format("no rules for the architecture {} of config.json: pass --rules; known are {}",
                                 request.config.value("architectures", nlohmann::json()).dump(),
                                 some_of(known, known.size())));
}

/// Treats each weight that holds query, key and value heads as Megatron's: interleaved, group by group.
void group_heads(ModelRules& rules) {
    const auto holds_heads = [&](std::size_t part) { return rules.tensors[part].unit.has_value(); };
    for (FusedRule& fused : rules.fused) {
        if (!fused.is_alternative && std::ranges::all_of(fused.parts, holds_heads)) fused.is_grouped = true;
    }
    for (TensorRule& tensor : rules.tensors) {
        const bool is_fused = !tensor.shape.empty() && tensor.shape.front().size() > 1;
        if (is_fused && tensor.unit) tensor.split = Split::grouped;
    }
}

class TensorParallelMerger : public Merger {
public:
    Plan plan(const CheckpointIndex& index, const Request& request) override {
        Options options(request.options);
        options.take<std::string>("rules", "");  // the model's file is then the one that it names
        const auto mesh = options.take<std::string>("mesh", "");
        const auto fused_qkv = options.take<std::string>("fused_qkv", "");
        options.finish();
        if (!fused_qkv.empty() && fused_qkv != "grouped") {
            throw UsageError(
                fmt::format("merger 'tensor_parallel': option 'fused_qkv' is '{}': known is 'grouped' (without it, as "
                            "the rules say)",
                            fused_qkv));
        }
        if (!request.config.is_object()) {
            throw Error("no config.json: merger 'tensor_parallel' needs the sizes in it: pass --assets DIR");
        }
        ModelRules rules = rules_for(request);
        if (!fused_qkv.empty()) group_heads(rules);
        const Values values = config_values(rules, request.config);
        return plan_tensor_parallel(index, rules, values, RankMesh(mesh.empty() ? rules.mesh : mesh, index.ranks));
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::TensorParallelMerger, "tensor_parallel", UNSHARD_VERSION,
               "plain tensors, one part a rank, by the rules in configs/models")
