#include "metadata.hpp"

#include "condition.hpp"
#include "models/model_config.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace unshard::gguf {
namespace {

using nlohmann::json;

std::string where(const KeyRule& rule) {
    return fmt::format("config.json: '{}'", rule.fields.empty() ? rule.key : rule.fields.front());
}

[[noreturn]] void fail(const KeyRule& rule, const json& value, const std::string& wanted) {
    throw Error(fmt::format("{} is {}: it must be {} for the key '{}'", where(rule), value.dump(), wanted, rule.key));
}

/// What a word of config.json stands for; for an array, each of its words.
json translated(const KeyRule& rule, const json& value) {
    if (rule.words.is_null()) return value;
    if (value.is_array()) {
        json result = json::array();
        for (const json& item : value) result.push_back(translated(rule, item));
        return result;
    }
    if (!value.is_string() || !rule.words.contains(value.get<std::string>())) {
        std::string known;
        for (const auto& [word, meaning] : rule.words.items()) known += (known.empty() ? "" : ", ") + word;
        fail(rule, value, "one of " + known);
    }
    return rule.words[value.get<std::string>()];
}

json value_of(const KeyRule& rule, const ModelSizes& sizes) {
    json value = find_field(sizes.config, rule.fields);
    if (value.is_null() && rule.value) value = rule.value->value(sizes.values);
    if (!value.is_null()) value = translated(rule, value);
    if (value.is_null()) value = rule.fallback;
    const json& fraction = find_field(sizes.config, rule.fraction);
    if (value.is_number() && fraction.is_number()) {
        value = static_cast<std::uint64_t>(std::max(0.0, std::floor(value.get<double>() * fraction.get<double>())));
    }
    if (value.is_number() && rule.scale != 1) value = value.get<double>() * rule.scale;
    return value;
}

std::uint32_t as_u32(const KeyRule& rule, const json& value) {
    const bool is_whole = value.is_number() && value.get<double>() == std::floor(value.get<double>());
    if (!is_whole || value.get<double>() < 0 || value.get<double>() > UINT32_MAX) {
        fail(rule, value, "a whole number of at most 32 bits");
    }
    return static_cast<std::uint32_t>(value.get<double>());
}

float as_f32(const KeyRule& rule, const json& value) {
    if (!value.is_number()) fail(rule, value, "a number");
    return static_cast<float>(value.get<double>());
}

bool as_boolean(const KeyRule& rule, const json& value) {
    if (!value.is_boolean()) fail(rule, value, "true or false");
    return value.get<bool>();
}

template <class Item, class Convert>
std::vector<Item> as_array(const KeyRule& rule, const json& value, Convert convert) {
    if (!value.is_array()) fail(rule, value, "a list");
    std::vector<Item> items;
    for (const json& item : value) items.push_back(static_cast<Item>(convert(rule, item)));
    return items;
}

Value typed(const KeyRule& rule, const json& value) {
    switch (rule.type) {
        case KeyType::u32:
            return as_u32(rule, value);
        case KeyType::f32:
            return as_f32(rule, value);
        case KeyType::boolean:
            return as_boolean(rule, value);
        case KeyType::i32s:
            return as_array<std::int32_t>(rule, value, as_u32);
        case KeyType::booleans:
            return as_array<bool>(rule, value, as_boolean);
        case KeyType::string:
            break;
    }
    if (!value.is_string()) fail(rule, value, "text");
    return value.get<std::string>();
}

std::string full_key(const std::string& arch, const std::string& key) {
    const bool is_full = key.starts_with("general.") || key.starts_with("tokenizer.");
    return is_full ? key : arch + "." + key;
}

}  // namespace

const json& full_attention_rope(const json& config) {
    return find_field(config, {"rope_parameters.full_attention", "rope_parameters"});
}

void add_model_keys(KeyValues& metadata, std::span<const KeyRule> rules, const ModelSizes& sizes,
                    const KeyValues& others) {
    for (const KeyRule& rule : rules) {
        if (rule.skip && holds(*rule.skip, sizes.config, sizes.values)) continue;
        const json value = value_of(rule, sizes);
        if (!rule.unless.is_null() && value == rule.unless) continue;
        if (rule.yields && others.find(full_key(sizes.arch, rule.key))) continue;
        if (!value.is_null()) {
            metadata.set(full_key(sizes.arch, rule.key), typed(rule, value));
        } else if (rule.is_required) {
            throw Error(fmt::format("{} is missing: the key '{}' needs it", where(rule), rule.key));
        }
    }
}

}  // namespace unshard::gguf
