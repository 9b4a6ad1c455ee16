// RotaryEmbeddingConfigMixin in transformers' modeling_rope_utils.py and the classes that have their own. Old files
// have rope_theta and rope_scaling { type | rope_type, ... } at the root. New ones have
// rope_parameters { rope_type, rope_theta, ... }, or one of these for each type of layer. A file can have both. The
// rule of a class:
//
//     form          "flat": rope_scaling that says anything takes the place of rope_parameters;
//                   "by_layer_type": rope_scaling changes what rope_parameters has for full attention, and settings
//                   that lie beside those of a layer type mean nothing
//     theta         the default of rope_theta
//     local_theta   that of sliding attention, and the field of config.json that it is taken from: local_field
//     partial_rotary_factor
//     default       rope_parameters where config.json has none
//     types         rope types that are others by other names

#include "models/class_settings.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace unshard {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 3> kScaledTypes = {"llama3", "yarn", "longrope"};

json field_of(const json& config, const char* name, const json& otherwise = nullptr) {
    const auto found = config.find(name);
    return found == config.end() ? otherwise : *found;
}

/// Whether Python takes the value for true: not null, false, 0, "" or empty.
bool says_something(const json& value) {
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number()) return value.get<double>() != 0;
    return !value.is_null() && !value.empty();
}

json checked_object(const char* field, json value) {
    if (!value.is_object()) {
        throw Error(fmt::format("config.json: '{}' is {}: it must be an object", field, value.dump()));
    }
    return value;
}

void set_default(json& rope, const char* name, const json& value) {
    if (!rope.contains(name)) rope[name] = value;
}

bool is_scaled(const json& rope) {
    const json& type = rope["rope_type"];
    return std::any_of(kScaledTypes.begin(), kScaledTypes.end(),
                       [&](std::string_view scaled) { return type == scaled; });
}

/// The last step of every form.
void standardise(json& rope, const json& settings) {
    set_default(rope, "rope_type", field_of(rope, "type", "default"));
    if (is_scaled(rope))
        set_default(rope, "original_max_position_embeddings", field_of(settings, "max_position_embeddings"));
}

json flat(const json& given, const json& settings, const json& rule) {
    const json scaling = field_of(given, "rope_scaling"), parameters = field_of(given, "rope_parameters");
    json rope = says_something(scaling) ? checked_object("rope_scaling", scaling)
                : !parameters.is_null() ? checked_object("rope_parameters", parameters)
                                        : field_of(rule, "default", json::object());
    if (const json theta = field_of(given, "rope_theta", field_of(rule, "theta")); !theta.is_null())
        set_default(rope, "rope_theta", theta);
    const json partial = field_of(given, "partial_rotary_factor", field_of(rule, "partial_rotary_factor"));
    if (!partial.is_null()) set_default(rope, "partial_rotary_factor", partial);
    set_default(rope, "rope_type", field_of(rope, "type", "default"));
    const json& type = rope["rope_type"];
    const json types = field_of(rule, "types", json::object());
    if (type.is_string() && types.contains(type.get<std::string>())) rope["rope_type"] = types[type.get<std::string>()];
    standardise(rope, settings);
    // The class reads the setting a second time at the end, from beside rope_parameters: that one wins.
    const json original = field_of(settings, "original_max_position_embeddings");
    if (is_scaled(rope) && !original.is_null()) rope["original_max_position_embeddings"] = original;
    return rope;
}

void fill_layer_type(json& rope, const char* layer_type, const json& theta, const json& settings) {
    json& own = rope[layer_type];
    if (own.is_null()) own = {{"rope_type", "default"}};
    checked_object(layer_type, own);
    set_default(own, "rope_theta", theta);
    if (const json partial = field_of(settings, "partial_rotary_factor"); !partial.is_null())
        set_default(own, "partial_rotary_factor", partial);
    standardise(own, settings);
}

json by_layer_type(const json& given, const json& settings, const json& rule) {
    const json plain = {{"rope_type", "default"}};
    json rope = field_of(given, "rope_parameters");
    if (rope.is_null()) rope = {{"sliding_attention", plain}, {"full_attention", plain}};
    checked_object("rope_parameters", rope);
    const json scaling = field_of(given, "rope_scaling");
    if (!scaling.is_null()) {
        if (!field_of(rope, "full_attention").is_object()) {
            throw Error(
                "config.json: there is a 'rope_scaling', which says how 'full_attention' in 'rope_parameters' differs, "
                "but that is not there: take one of the two out");
        }
        rope["full_attention"].update(checked_object("rope_scaling", scaling));
    }
    const std::string local = rule.value("local_field", "");
    fill_layer_type(rope, "full_attention", field_of(given, "rope_theta", rule["theta"]), settings);
    fill_layer_type(rope, "sliding_attention", field_of(given, local.c_str(), rule["local_theta"]), settings);
    return rope;
}

}  // namespace

json rope_settings(const json& given, const json& settings, const json& rule) {
    return rule["form"] == "by_layer_type" ? by_layer_type(given, settings, rule) : flat(given, settings, rule);
}

}  // namespace unshard
