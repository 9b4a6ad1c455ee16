// Plain tensors, one part a rank: nothing in the checkpoint says how they were split, so rules of the model do.

#include "models/model_config.hpp"
#include "tensor_parallel/plan.hpp"
#include "unshard/plugin.hpp"

#include <algorithm>

namespace unshard {
namespace {

std::string known_architectures(std::span<const std::string> directories) {
    std::string names;
    for (const std::string& directory : directories) {
        for (const ModelRules& rules : load_rules_directory(directory)) {
            for (const std::string& name : rules.architectures) names += (names.empty() ? "" : ", ") + name;
        }
    }
    return names;
}

/// The rules for config.json's architecture.
ModelRules rules_for(const nlohmann::json& config, std::span<const std::string> directories) {
    if (directories.empty()) throw UsageError("merger 'tensor_parallel' needs rules: pass --rules");
    if (std::optional<ModelRules> rules = find_rules(directories, config)) return *std::move(rules);
    const auto architectures = config.find("architectures");
    throw UsageError("no rules for the architecture " +
                     (architectures == config.end() ? "null" : architectures->dump()) +
                     " of config.json: pass --rules; known are " + known_architectures(directories));
}

/// Takes each weight that holds query, key and value heads for Megatron's: interleaved, group by group.
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
        const auto file = options.take<std::string>("rules", "");
        std::vector<std::string> directories = request.models;
        const auto own = options.take<std::string>("model_dir", "");
        if (!own.empty()) directories.insert(directories.begin(), own);
        const auto mesh = options.take<std::string>("mesh", "");
        const auto fused_qkv = options.take<std::string>("fused_qkv", "");
        options.finish();
        if (!fused_qkv.empty() && fused_qkv != "grouped") {
            throw UsageError("merger 'tensor_parallel': option 'fused_qkv' is '" + fused_qkv +
                             "': known is 'grouped' (without it, as the rules say)");
        }
        if (request.assets.empty()) {
            throw Error("no config.json: merger 'tensor_parallel' needs the sizes in it: pass --assets DIR");
        }
        std::optional<ModelRules> named;
        if (!file.empty()) named = load_rules(file);
        const nlohmann::json config = read_model_config(request.assets, directories, request.config_changes,
                                                        named ? named->architectures : std::vector<std::string>())
                                          .settings;
        ModelRules rules = named ? *std::move(named) : rules_for(config, directories);
        if (!fused_qkv.empty()) group_heads(rules);
        const Values values = config_values(rules, config);
        return plan_tensor_parallel(index, rules, values, RankMesh(mesh.empty() ? rules.mesh : mesh, index.ranks));
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::TensorParallelMerger, "tensor_parallel", UNSHARD_VERSION,
               "plain tensors, one part a rank, by the rules in configs/models")
