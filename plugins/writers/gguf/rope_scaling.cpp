// transformers: modeling_rope_utils.py. llama.cpp scales yarn's rotation by 0.1 ln(factor) + 1, whatever
// `yarn_attn_factor` says, and that by `attn_factor` (src/llama-context.cpp). Only some architectures read the beta
// keys, none of those written here.

#include "rope_scaling.hpp"

#include "models/model_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace unshard::gguf {
namespace {

using nlohmann::json;

constexpr double kSame = 1e-6;
/// With compressed keys (MLA) llama.cpp scales the whole key, transformers only the part that is rotated.
constexpr const char* kScalesAttention =
    "llama.cpp scales the attention of this model with it: its results will differ";

double number_of(const json& rope, const char* field, double fallback) {
    const json& value = find_field(rope, {field});
    return value.is_number() ? value.get<double>() : fallback;
}

class RopeScaling {
public:
    RopeScaling(KeyValues& metadata, const GgufModel& model, const ModelSizes& sizes,
                std::vector<std::string>& warnings)
        : metadata_(metadata),
          model_(model),
          sizes_(sizes),
          rope_(full_attention_rope(sizes.config)),
          warnings_(warnings) {}

    void add() {
        const json& type = find_field(rope_, {"rope_type"});
        const bool has_factor = find_field(rope_, {"factor"}).is_number();
        if (type == "linear" && has_factor) return add_linear();
        if (type == "yarn" && has_factor) return add_yarn();
        if (type == "longrope" || type == "su") return add_longrope(type);
        if (type == "llama3" && model_.generated == Generated::rope_freqs) return;
        if (!type.is_string() || type == "default") return;
        warn("rope_type", "llama.cpp has no such scaling for this model: none is written, its results will differ");
    }

private:
    void set_type(const char* name) { metadata_.set(sizes_.arch + ".rope.scaling.type", std::string(name)); }

    void add_key(const char* name, KeyType type, std::vector<std::string> fields, bool is_required = false) {
        KeyRule rule;
        rule.key = std::string("rope.scaling.") + name;
        rule.type = type;
        rule.fields = std::move(fields);
        rule.is_required = is_required;
        add_model_keys(metadata_, std::span(&rule, 1), {sizes_.arch, rope_, sizes_.values});
    }

    void add_linear() {
        set_type("linear");
        add_key("factor", KeyType::f32, {"factor"}, true);
        if (has_multiplier()) warn("rope_type", kScalesAttention);
    }

    void add_yarn() {
        set_type("yarn");
        add_key("factor", KeyType::f32, {"factor"}, true);
        add_key("original_context_length", KeyType::u32, {"original_max_position_embeddings"}, true);
        add_key("yarn_ext_factor", KeyType::f32, {"extrapolation_factor"});
        add_key("yarn_attn_factor", KeyType::f32, {"attention_factor", "attn_factor"});
        add_key("yarn_beta_fast", KeyType::f32, {"beta_fast"});
        add_key("yarn_beta_slow", KeyType::f32, {"beta_slow"});
        add_yarn_magnitude();
        warn_unless("beta_fast", 32);
        warn_unless("beta_slow", 1);
        if (find_field(rope_, {"truncate"}) == false) {
            warn("truncate", "llama.cpp rounds the range of yarn: its results will differ");
        }
    }

    /// The key `attn_factor` where transformers scales the rotation otherwise than llama.cpp.
    void add_yarn_magnitude() {
        const double factor = number_of(rope_, "factor", 1);
        const auto magnitude = [&](double mscale) { return factor <= 1 ? 1 : 0.1 * mscale * std::log(factor) + 1; };
        const double mscale = number_of(rope_, "mscale", 0), all_dim = number_of(rope_, "mscale_all_dim", 0);
        const bool has_both = mscale != 0 && all_dim != 0;
        const double inferred = has_both ? magnitude(mscale) / magnitude(all_dim) : magnitude(1);
        const double wanted = number_of(rope_, "attention_factor", inferred);
        if (has_multiplier()) {
            if (std::abs(wanted - 1) >= kSame) warn(magnitude_field(), kScalesAttention);
        } else if (std::abs(wanted / magnitude(1) - 1) >= kSame) {
            metadata_.set(sizes_.arch + ".rope.scaling.attn_factor", static_cast<float>(wanted / magnitude(1)));
        }
    }

    /// The field that says how far the rotation is scaled.
    const char* magnitude_field() const {
        for (const char* field : {"attention_factor", "mscale"}) {
            if (find_field(rope_, {field}).is_number()) return field;
        }
        return "rope_type";
    }

    /// Whether llama.cpp is told `mscale_all_dim`, of attention on compressed keys. It takes `mscale` to be the same.
    bool has_multiplier() const {
        return std::any_of(model_.keys.begin(), model_.keys.end(),
                           [](const KeyRule& rule) { return rule.key == "rope.scaling.yarn_log_multiplier"; });
    }

    void add_longrope(const json& type) {
        if (model_.generated == Generated::rope_factors) return;  // which writes all of it
        set_type("longrope");
        if (type == "longrope") {
            warn("rope_type", "llama.cpp has no factors for this model: its results will differ");
        }
    }

    void warn_unless(const char* field, double value) {
        const json& found = find_field(rope_, {field});
        if (found.is_number() && found != value) {
            warn(field, fmt::format("llama.cpp takes {}: its results will differ", json(value).dump()));
        }
    }

    void warn(const char* field, const std::string& text) {
        warnings_.push_back(fmt::format("config.json: '{}' is {}: {}", field, find_field(rope_, {field}).dump(), text));
    }

    KeyValues& metadata_;
    const GgufModel& model_;
    const ModelSizes& sizes_;
    const json& rope_;
    std::vector<std::string>& warnings_;
};

}  // namespace

void add_rope_scaling(KeyValues& metadata, const GgufModel& model, const ModelSizes& sizes,
                      std::vector<std::string>& warnings) {
    RopeScaling(metadata, model, sizes, warnings).add();
}

}  // namespace unshard::gguf
