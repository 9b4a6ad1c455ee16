#include "remarks.hpp"

#include "condition.hpp"
#include "models/model_config.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard::gguf {
namespace {

using nlohmann::json;

std::string told(const Remark& remark, const ModelSizes& sizes) {
    const Condition& first = remark.conditions.front();
    const json& value = find_field(sizes.config, {first.field});
    const std::string what = first.field.empty() ? "" : fmt::format("'{}' is {}: ", first.field, value.dump());
    return fmt::format("config.json: {}{}", what, remark.text);
}

bool applies(const Remark& remark, const ModelSizes& sizes) {
    return std::all_of(remark.conditions.begin(), remark.conditions.end(),
                       [&](const Condition& c) { return holds(c, sizes.config, sizes.values); });
}

}  // namespace

void add_remarks(const GgufModel& model, const ModelSizes& sizes, std::vector<std::string>& warnings) {
    for (const Remark& refusal : model.refusals) {
        if (applies(refusal, sizes)) throw Error(told(refusal, sizes));
    }
    for (const Remark& note : model.notes) {
        if (applies(note, sizes)) warnings.push_back(told(note, sizes));
    }
}

}  // namespace unshard::gguf
