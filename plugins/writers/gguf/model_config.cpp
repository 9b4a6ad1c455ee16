// TextModel.__init__ in conversion/base.py, and what AutoConfig does before it: absent fields take the class's
// defaults. Old files have rope_theta and rope_scaling { type | rope_type, ... } at the root, new ones rope_parameters
// { rope_type, rope_theta, ... }, or one of these for each type of layer.

#include "model_config.hpp"

namespace unshard::gguf {
namespace {

using nlohmann::json;

const json kNull;

/// A text among the defaults is an expression; it holds for null too, as what transformers computes after loading.
void fill_defaults(json& config, const json& defaults, const Values& values) {
    for (const auto& [field, value] : defaults.items()) {
        const bool is_there = config.contains(field);
        if (value.is_string()) {
            if (!is_there || config[field].is_null())
                config[field] = Expression(value.get<std::string>()).value(values);
        } else if (!is_there) {
            config[field] = value;
        }
    }
}

/// Sets `field` of the rope settings from the root's fields, unless it is there.
void fill_rope(json& rope, const char* field, const json& config, const std::vector<std::string>& fields) {
    const json& value = find_field(config, fields);
    if (!rope.contains(field) && !value.is_null()) rope[field] = value;
}

json rope_parameters(const json& config) {
    const json& given = find_field(config, {"rope_parameters", "rope_scaling"});
    json rope = given.is_object() ? given : json::object();
    if (rope.contains("full_attention") || rope.contains("sliding_attention")) return rope;
    const json& local = find_field(
        config, {"local_rope_theta", "rope_local_theta", "rope_theta_local", "swa_rope_theta", "rope_local_base_freq"});
    if (!local.is_null()) rope["sliding_attention"] = {{"rope_theta", local}};
    fill_rope(rope, "rope_theta", config,
              {"global_rope_theta", "rope_global_theta", "rope_theta_global", "rope_theta", "rotary_emb_base"});
    fill_rope(rope, "rope_type", rope, {"type"});
    fill_rope(rope, "partial_rotary_factor", config, {"partial_rotary_factor", "rope_pct", "rope_percent"});
    fill_rope(rope, "original_max_position_embeddings", config, {"original_max_position_embeddings"});
    return rope;
}

}  // namespace

json filled_config(const json& config, const json& defaults, const Values& values) {
    json filled = config;
    const json& text_config = find_field(config, {"text_config"});
    if (text_config.is_object()) filled.update(text_config);
    fill_defaults(filled, defaults, values);
    filled["rope_parameters"] = rope_parameters(filled);
    return filled;
}

const json& find_field(const json& config, const std::vector<std::string>& fields) {
    for (const std::string& path : fields) {
        const json* object = &config;
        std::size_t begin = 0;
        while (object && begin <= path.size()) {
            const std::size_t end = std::min(path.find('.', begin), path.size());
            const auto found = object->is_object() ? object->find(path.substr(begin, end - begin)) : object->end();
            object = object->is_object() && found != object->end() ? &*found : nullptr;
            begin = end + 1;
        }
        if (object && !object->is_null()) return *object;
    }
    return kNull;
}

const json& full_attention_rope(const json& config) {
    return find_field(config, {"rope_parameters.full_attention", "rope_parameters"});
}

}  // namespace unshard::gguf
