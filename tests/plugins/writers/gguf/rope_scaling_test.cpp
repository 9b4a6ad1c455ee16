#include "rope_scaling.hpp"

#include "support/catch.hpp"

#include <cmath>

using namespace unshard;
using namespace unshard::gguf;
using nlohmann::json;

namespace {

using Entries = std::vector<std::pair<std::string, Value>>;

struct Scaling {
    Entries keys;
    std::vector<std::string> warnings;
};

Scaling scaling_of(const json& rope, const GgufModel& model = {}) {
    KeyValues metadata;
    Scaling result;
    add_rope_scaling(metadata, model, {"llama", {{"rope_parameters", rope}}, {}}, result.warnings);
    result.keys = metadata.entries();
    return result;
}

json yarn(const json& more = json::object()) {
    json rope = {{"rope_type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 64}};
    rope.update(more);
    return rope;
}

/// The key `attn_factor`; 0 when there is none.
float attn_factor(const Scaling& scaling) {
    for (const auto& [key, value] : scaling.keys) {
        if (key == "llama.rope.scaling.attn_factor") return std::get<float>(value);
    }
    return 0;
}

}  // namespace

TEST_CASE("linear and yarn have keys, the default has none") {
    CHECK(scaling_of({{"rope_type", "default"}}).keys.empty());
    CHECK(scaling_of({{"rope_type", "linear"}, {"factor", 8}}).keys ==
          Entries{{"llama.rope.scaling.type", "linear"}, {"llama.rope.scaling.factor", 8.0F}});
    CHECK(scaling_of(yarn({{"beta_fast", 32}})).keys == Entries{{"llama.rope.scaling.type", "yarn"},
                                                                {"llama.rope.scaling.factor", 4.0F},
                                                                {"llama.rope.scaling.original_context_length", 64U},
                                                                {"llama.rope.scaling.yarn_beta_fast", 32.0F}});
    CHECK(scaling_of({{"full_attention", {{"rope_type", "linear"}, {"factor", 2}}}}).keys.size() == 2);
}

TEST_CASE("yarn's magnitude is written where it is not what llama.cpp takes") {
    const double usual = 0.1 * std::log(4) + 1;
    CHECK(attn_factor(scaling_of(yarn())) == 0);
    CHECK(attn_factor(scaling_of(yarn({{"attention_factor", 1.7}}))) == static_cast<float>(1.7 / usual));
    CHECK(attn_factor(scaling_of(yarn({{"mscale", 1.0}, {"mscale_all_dim", 1.0}}))) == static_cast<float>(1 / usual));
    CHECK(attn_factor(scaling_of(yarn({{"mscale", 0.7}}))) == 0);
    GgufModel told;
    told.keys.emplace_back().key = "rope.scaling.yarn_log_multiplier";
    CHECK(scaling_of(yarn({{"mscale", 1.0}, {"mscale_all_dim", 1.0}}), told).warnings.empty());
    CHECK(attn_factor(scaling_of(yarn({{"attention_factor", 1.7}}), told)) == 0);
    CHECK(scaling_of(yarn({{"attention_factor", 1.7}}), told).warnings ==
          std::vector<std::string>{"config.json: 'attention_factor' is 1.7: llama.cpp scales the attention of this "
                                   "model with it: its results will differ"});
}

TEST_CASE("rope settings that llama.cpp does not follow are named") {
    CHECK(scaling_of(yarn({{"beta_fast", 4}, {"beta_slow", 1.0}})).warnings ==
          std::vector<std::string>{"config.json: 'beta_fast' is 4: llama.cpp takes 32.0: its results will differ"});
    CHECK(scaling_of(yarn({{"truncate", false}})).warnings ==
          std::vector<std::string>{
              "config.json: 'truncate' is false: llama.cpp rounds the range of yarn: its results will differ"});
    const std::string none = ": llama.cpp has no such scaling for this model: none is written, its results will differ";
    CHECK(scaling_of({{"rope_type", "dynamic"}, {"factor", 8}}).warnings ==
          std::vector<std::string>{"config.json: 'rope_type' is \"dynamic\"" + none});
    const json llama3 = {{"rope_type", "llama3"}, {"factor", 8}};
    CHECK(scaling_of(llama3).warnings == std::vector<std::string>{"config.json: 'rope_type' is \"llama3\"" + none});
    GgufModel with_factors;
    with_factors.generated = Generated::rope_freqs;
    CHECK(scaling_of(llama3, with_factors).warnings.empty());
}
