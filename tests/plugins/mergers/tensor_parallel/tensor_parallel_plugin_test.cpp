// The plugin itself, through the real loader: its options and the files that it reads.

#include "core/models/rules_support.hpp"
#include "support/bundled_plugins.hpp"
#include "support/catch.hpp"
#include "support/index_builder.hpp"
#include "support/model_request.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

const std::vector<std::string> kBundled = {bundled_models()};

/// `config` is config.json; null when there is none.
Plan plan(const nlohmann::json& config, const nlohmann::json& options,
          const std::vector<std::string>& directories = kBundled) {
    IndexBuilder builder(2);
    builder.tensor("model.norm.weight", std::nullopt).plain(0, {6}).plain(1, {6});
    Request request;
    describe_model(request, config, directories);
    request.options = options;
    return bundled_plugins().merger("tensor_parallel")->plan(builder.index(), request);
}

nlohmann::json config_of(const std::string& architecture) {
    nlohmann::json config = small_config();
    config["architectures"] = {architecture};
    return config;
}

}  // namespace

TEST_CASE("the plugin takes the rules for config.json's architecture") {
    const Plan merged = plan(config_of("LlamaForCausalLM"), {{"mesh", "dp=2,tp=1"}});
    REQUIRE(merged.tensors.size() == 1);
    CHECK(merged.tensors[0].shape == Dims{6});
    CHECK(merged.tensors[0].replicas.size() == 1);
}

TEST_CASE("the plugin says what it lacks") {
    const nlohmann::json config = config_of("ToyForCausalLM"), no_options = nlohmann::json::object();
    const auto failure = [&](const nlohmann::json& file, const nlohmann::json& options,
                             const std::vector<std::string>& directories = kBundled) {
        return message_of([&] { plan(file, options, directories); });
    };
    CHECK(failure(nullptr, no_options) ==
          "no config.json: merger 'tensor_parallel' needs the sizes in it: pass --assets DIR");
    CHECK(failure(config, no_options, {}) == "merger 'tensor_parallel' needs rules: pass --rules");
    CHECK(failure(config, {{"mesh", 3}}) == "option 'mesh': 3 has the wrong type or range");
    CHECK(failure(config, {{"ranks", 3}}) == "unknown option 'ranks': known are fused_qkv, mesh, rules");
    CHECK(failure(config, {{"fused_qkv", "qkv"}}) ==
          "merger 'tensor_parallel': option 'fused_qkv' is 'qkv': known is 'grouped' (without it, as the rules say)");
    CHECK(failure(config, no_options)
              .starts_with(
                  "no rules for the architecture [\"ToyForCausalLM\"] of config.json: pass --rules; known are "));
}
