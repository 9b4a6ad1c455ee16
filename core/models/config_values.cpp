#include "models/expression_names.hpp"
#include "models/model_config.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

namespace unshard {
namespace {

[[noreturn]] void fail_type(const ConfigName& name, const nlohmann::json& value, const std::string& wanted) {
    throw Error(fmt::format("config.json: '{}' is {}: it must be {}", name.fields.front(), value.dump(), wanted));
}

std::int64_t number(const ConfigName& name, const nlohmann::json& value) {
    if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
    const bool fits =
        value.is_number_integer() && (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX);
    if (!fits || value.get<std::int64_t>() < 0) fail_type(name, value, "a whole number");
    return value.get<std::int64_t>();
}

std::vector<std::int64_t> numbers(const ConfigName& name, const nlohmann::json& value) {
    if (!value.is_array()) fail_type(name, value, "a list of whole numbers");
    std::vector<std::int64_t> result;
    for (const nlohmann::json& item : value) result.push_back(number(name, item));
    return result;
}

/// The number of items of a list or an object; 0 when it is not there.
std::uint64_t counted(const ConfigName& name, const nlohmann::json& config) {
    const auto found = config.find(name.counted);
    return name.counted.empty() || found == config.end() || !found->is_structured() ? 0 : found->size();
}

}  // namespace

Values config_values(const std::vector<ConfigName>& names, const std::string& file, const nlohmann::json& config) {
    if (!config.is_object()) throw Error("config.json: it is not a JSON object");
    nlohmann::json fields = config;
    const auto text_config = config.find("text_config");
    if (text_config != config.end() && text_config->is_object()) fields.update(*text_config);
    Values values;
    for (const ConfigName& name : names) {
        const nlohmann::json& value = find_field(fields, name.fields);
        if (name.is_list) {
            values.lists[name.name] = value.is_null() ? std::vector<std::int64_t>() : numbers(name, value);
        } else if (const std::uint64_t count = counted(name, fields); count != 0) {
            values.numbers[name.name] = static_cast<std::int64_t>(count);
        } else if (!value.is_null()) {
            values.numbers[name.name] = number(name, value);
        } else if (name.fallback) {
            values.numbers[name.name] = name.fallback->value(values);
        } else {
            throw Error(fmt::format("config.json: it has no '{}': {} needs it", name.fields.front(), file));
        }
    }
    return values;
}

}  // namespace unshard
