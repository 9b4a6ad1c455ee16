// The plugin itself, through the real loader: its options and the files that it reads.

#include "core/models/rules_support.hpp"
#include "support/bundled_plugins.hpp"
#include "support/catch.hpp"
#include "support/index_builder.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

Plan plan(const std::string& assets, const nlohmann::json& options) {
    IndexBuilder builder(2);
    builder.tensor("model.norm.weight", std::nullopt).plain(0, {6}).plain(1, {6});
    Request request;
    request.assets = assets;
    request.options = options;
    return bundled_plugins().merger("tensor_parallel")->plan(builder.index(), request);
}

/// A directory with a config.json.
class Assets {
public:
    explicit Assets(nlohmann::json config) { std::ofstream(files_.directory() / "config.json") << config; }
    std::string path() const { return files_.directory().string(); }

private:
    RulesFileOnDisk files_{"# none"};
};

nlohmann::json config_of(const std::string& architecture) {
    nlohmann::json config = small_config();
    config["architectures"] = {architecture};
    return config;
}

}  // namespace

TEST_CASE("the plugin takes the rules for config.json's architecture") {
    const Assets assets(config_of("LlamaForCausalLM"));
    const Plan merged = plan(assets.path(), {{"model_dir", bundled_models()}, {"mesh", "dp=2,tp=1"}});
    REQUIRE(merged.tensors.size() == 1);
    CHECK(merged.tensors[0].shape == Dims{6});
    CHECK(merged.tensors[0].replicas.size() == 1);
}

TEST_CASE("the plugin takes the rules that are named, whatever the architecture") {
    const Assets assets(config_of("LlamaForDreaming"));
    CHECK(plan(assets.path(), {{"rules", bundled_models() + "/llama.toml"}}).tensors.size() == 1);
}

TEST_CASE("the plugin says what it lacks") {
    const Assets assets(config_of("ToyForCausalLM"));
    const auto failure = [&](const std::string& directory, const nlohmann::json& options) {
        return message_of([&] { plan(directory, options); });
    };
    CHECK(failure("", nlohmann::json::object()) ==
          "no config.json: merger 'tensor_parallel' needs the sizes in it: pass --assets DIR");
    CHECK(failure(assets.path(), nlohmann::json::object()) == "merger 'tensor_parallel' needs rules: pass --rules");
    CHECK(failure(assets.path(), {{"rules", 3}}) == "option 'rules': 3 has the wrong type or range");
    CHECK(failure(assets.path(), {{"ranks", 3}}) ==
          "unknown option 'ranks': known are fused_qkv, mesh, model_dir, rules");
    CHECK(failure(assets.path(), {{"fused_qkv", "qkv"}}) ==
          "merger 'tensor_parallel': option 'fused_qkv' is 'qkv': known is 'grouped' (without it, as the rules say)");
    CHECK(failure(assets.path(), {{"model_dir", bundled_models()}})
              .starts_with(
                  "no rules for the architecture [\"ToyForCausalLM\"] of config.json: pass --rules; known are "));
}
