// PreTrainedConfig.__init__ and __post_init__ of the classes, by the facts that tests/support/make_config_classes.py
// found:
//
//     defaults  fields and what they are when config.json does not have them
//     not_null  fields that transformers refuses to be null: null is no value then
//     aliases   other names of fields, which win over theirs; fields_own_aliases: names that lose
//     null      what a field that is null becomes, "an expression" or a value
//     always    what a field becomes even when it is given
//     changed   { field = { when, value } }: what a field becomes when an expression holds
//     words     { field = { word = "other word" } }
//     patterns  { field, values = [no, yes], when, defaults }: a list of a value a layer, where config.json has none
//     rope      see rope_settings.cpp
//
// Expressions use the fields' names, `layer`, has_NAME (not null) and, as lists, the layers whose value is 1.

#include "models/class_settings.hpp"

#include "models/expression.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

namespace unshard {
namespace {

using nlohmann::json;

/// Far above any model; a damaged config.json must not make us allocate.
constexpr std::int64_t kMostLayers = 1 << 16;

const json& fact(const json& facts, const char* name) {
    static const json kNone = json::object();
    const auto found = facts.find(name);
    return found == facts.end() ? kNone : *found;
}

/// The layers that have 1 in a list of 0 and 1: [0, 1, 1] gives 1, 2.
std::vector<std::int64_t> chosen_layers(const json& list) {
    std::vector<std::int64_t> layers;
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (list[i] == 1 || list[i] == true) layers.push_back(static_cast<std::int64_t>(i));
    }
    return layers;
}

/// The names that expressions can use. Numbers that are null are 0.
Values values_of(const json& settings) {
    Values values;
    for (const auto& [name, value] : settings.items()) {
        if (value.is_array()) {
            values.lists[name] = chosen_layers(value);
            continue;
        }
        values.numbers["has_" + name] = value.is_null() ? 0 : 1;
        if (value.is_boolean()) values.numbers[name] = value.get<bool>() ? 1 : 0;
        if (value.is_null()) values.numbers[name] = 0;
        if (value.is_number_integer()) values.numbers[name] = value.get<std::int64_t>();
    }
    return values;
}

json meaning(const json& what, const json& settings) {
    return what.is_string() ? json(Expression(what.get<std::string>()).value(values_of(settings))) : what;
}

void set_others(json& settings, const json& given, const json& facts) {
    for (const auto& [name, value] : given.items()) {
        if (!fact(facts, "aliases").contains(name) && !fact(facts, "fields_own_aliases").contains(name))
            settings[name] = value;
    }
}

json with_given(const json& given, const json& facts) {
    json settings = fact(facts, "defaults");
    for (const char* kind : {"fields_own_aliases", "", "aliases"}) {
        for (const auto& [alias, name] : fact(facts, kind).items()) {
            if (given.contains(alias)) settings[name.get<std::string>()] = given[alias];
        }
        if (*kind == 0) set_others(settings, given, facts);
    }
    return settings;
}

void fill_null(json& settings, const json& facts) {
    for (const auto& [name, what] : fact(facts, "null").items()) {
        if (settings[name].is_null()) settings[name] = meaning(what, settings);
    }
    for (const json& name : fact(facts, "not_null")) {
        json& value = settings[name.get<std::string>()];
        if (value.is_null()) value = fact(facts, "defaults").value(name.get<std::string>(), json());
    }
}

void replace_words(json& settings, const json& facts) {
    for (const auto& [name, words] : fact(facts, "words").items()) {
        const json& word = settings[name];
        if (word.is_string() && words.contains(word.get<std::string>()))
            settings[name] = words[word.get<std::string>()];
    }
}

json pattern(const json& rule, const json& settings) {
    const json& layers = settings.value("num_hidden_layers", json());
    if (!layers.is_number_integer() || layers.get<std::int64_t>() < 0 || layers.get<std::int64_t>() > kMostLayers) {
        throw Error(fmt::format("config.json: 'num_hidden_layers' is {}: it must be a whole number up to {}",
                                layers.dump(), kMostLayers));
    }
    json list = json::array();
    const Expression condition(rule["when"].get<std::string>());
    json known = rule.value("defaults", json::object());
    known.update(settings);
    const Values values = values_of(known);
    for (std::uint64_t layer = 0; layer < layers.get<std::uint64_t>(); ++layer)
        list.push_back(rule["values"][condition.value(values, {{"layer", layer}}) != 0 ? 1 : 0]);
    return list;
}

void fill_patterns(json& settings, const json& facts) {
    for (const json& entry : fact(facts, "patterns")) {
        const auto field = entry["field"].get<std::string>();
        if (settings[field].is_null()) settings[field] = pattern(entry, settings);
    }
}

void rename_layer_types(json& settings, const json& names) {
    const auto found = settings.find("layer_types");
    if (found == settings.end() || !found->is_array()) return;
    for (json& type : *found) {
        if (type.is_string() && names.contains(type.get<std::string>())) type = names[type.get<std::string>()];
    }
}

}  // namespace

json class_settings(const json& given, const json& facts, const json& layer_types) {
    json settings = with_given(given, facts);
    fill_null(settings, facts);
    replace_words(settings, facts);
    for (const auto& [name, change] : fact(facts, "changed").items()) {
        const Expression condition(change["when"].get<std::string>());
        if (condition.value(values_of(settings)) != 0) settings[name] = meaning(change["value"], settings);
    }
    fill_patterns(settings, facts);
    for (const auto& [name, what] : fact(facts, "always").items()) settings[name] = meaning(what, settings);
    if (settings.value("dtype", json()).is_null() && given.contains("torch_dtype"))
        settings["dtype"] = given["torch_dtype"];
    rename_layer_types(settings, layer_types);
    if (facts.contains("rope")) {
        settings["rope_parameters"] = rope_settings(given, settings, facts["rope"]);
        settings.erase("rope_scaling");
    }
    return settings;
}

}  // namespace unshard
