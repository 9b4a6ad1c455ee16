#include "condition.hpp"

#include "models/model_config.hpp"
#include "unshard/tools/contains.hpp"

#include <algorithm>

namespace unshard::gguf {
namespace {

using nlohmann::json;

/// Whether a value is this one, or one of these.
bool is_one_of(const json& value, const json& wanted) {
    if (!wanted.is_array() || value.is_array()) return value == wanted;
    return contains(wanted, value);
}

bool has_item(const json& list, const json& value) {
    return list.is_array() && contains(list, value);
}

bool repeats(const json& list, const json& period) {
    if (!list.is_array()) return false;
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (list[i] != period[i % period.size()]) return false;
    }
    return true;
}

}  // namespace

bool holds(const Condition& condition, const json& config, const Values& values) {
    if (condition.when && condition.when->value(values) == 0) return false;
    if (condition.field.empty()) return true;
    const json& value = find_field(config, {condition.field});
    if (value.is_null()) return false;
    if (!condition.is.is_null() && !is_one_of(value, condition.is)) return false;
    if (!condition.unless.is_null() && is_one_of(value, condition.unless)) return false;
    if (!condition.has.is_null() && !has_item(value, condition.has)) return false;
    if (!condition.lacks.is_null() && has_item(value, condition.lacks)) return false;
    if (!condition.repeats.is_null() && !repeats(value, condition.repeats)) return false;
    if (!condition.breaks.is_null() && repeats(value, condition.breaks)) return false;
    if (condition.differs && value == condition.differs->value(values)) return false;
    if (condition.below.empty()) return true;
    const json& limit = find_field(config, {condition.below});
    return value.is_number() && limit.is_number() && value < limit;
}

}  // namespace unshard::gguf
