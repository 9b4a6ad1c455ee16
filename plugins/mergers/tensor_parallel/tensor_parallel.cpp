// Plain tensors, one part a rank: nothing in the checkpoint says how they were split, so rules of the model do.

#include "tensor_parallel/plan.hpp"
#include "unshard/json_file.hpp"
#include "unshard/plugin.hpp"

namespace unshard {
namespace {

std::string known_architectures(const std::vector<ModelRules>& all) {
    std::string names;
    for (const ModelRules& rules : all) {
        for (const std::string& name : rules.architectures) names += (names.empty() ? "" : ", ") + name;
    }
    return names;
}

/// The rules that the user named, else those for config.json's architecture.
ModelRules choose_rules(const std::string& file, const std::string& directory, const nlohmann::json& config) {
    if (!file.empty()) return load_rules(file);
    if (directory.empty()) throw UsageError("merger 'tensor_parallel' needs rules: pass --rules");
    const std::vector<ModelRules> all = load_rules_directory(directory);
    if (const ModelRules* rules = find_rules(all, config)) return *rules;
    const auto architectures = config.find("architectures");
    throw UsageError("no rules for the architecture " +
                     (architectures == config.end() ? "null" : architectures->dump()) +
                     " of config.json: pass --rules; known are " + known_architectures(all));
}

class TensorParallelMerger : public Merger {
public:
    Plan plan(const CheckpointIndex& index, const Request& request) override {
        Options options(request.options);
        const auto file = options.take<std::string>("rules", "");
        const auto directory = options.take<std::string>("models_dir", request.models);
        const auto mesh = options.take<std::string>("mesh", "");
        options.finish();
        if (request.assets.empty()) {
            throw Error("no config.json: merger 'tensor_parallel' needs the sizes in it: pass --assets DIR");
        }
        const nlohmann::json config = read_json(request.assets + "/config.json");
        const ModelRules rules = choose_rules(file, directory, config);
        const Values values = config_values(rules, config);
        return plan_tensor_parallel(index, rules, values, RankMesh(mesh.empty() ? rules.mesh : mesh, index.ranks));
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::TensorParallelMerger, "tensor_parallel", UNSHARD_VERSION,
               "plain tensors, one part a rank, by the rules in configs/models")
