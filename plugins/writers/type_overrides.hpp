// The option `types` of writers: other types for tensors by name.
#pragma once

#include "unshard/request.hpp"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace unshard {

/// Tensors whose name in the output matches get this type, whatever `dtype` says. The first that matches counts.
template <class Type>
struct TypeOverride {
    std::shared_ptr<const re2::RE2> match;  ///< found anywhere in the name
    Type type{};

    bool matches(const std::string& name) const { return re2::RE2::PartialMatch(name, *match); }
};

/// Takes [{ match = "...", type = "..." }, ...]; `type_of` makes a type of its name, or throws UsageError. Throws
/// UsageError for anything else.
template <class Type, class TypeOf>
std::vector<TypeOverride<Type>> take_types(Options& options, TypeOf type_of) {
    const auto items = options.take<nlohmann::json>("types", nlohmann::json::array());
    if (!items.is_array()) throw UsageError(fmt::format("option 'types': {} is not an array", items.dump()));
    std::vector<TypeOverride<Type>> types;
    for (const nlohmann::json& item : items) {
        const auto text = [&](const char* key) -> std::string {
            const bool is_there = item.is_object() && item.size() == 2 && item.contains(key) && item[key].is_string();
            if (!is_there)
                throw UsageError(
                    fmt::format("option 'types': {} is not {{ match = \"...\", type = \"...\" }}", item.dump()));
            return item[key].get<std::string>();
        };
        const std::string match = text("match"), type = text("type");
        auto pattern = std::make_shared<re2::RE2>(match, re2::RE2::Quiet);
        if (!pattern->ok()) throw UsageError(fmt::format("option 'types': pattern '{}': {}", match, pattern->error()));
        types.push_back({std::move(pattern), type_of(type)});
    }
    return types;
}

template <class Type>
const TypeOverride<Type>* find_override(std::span<const TypeOverride<Type>> overrides, const std::string& name) {
    const auto found = std::ranges::find_if(overrides, [&](const auto& o) { return o.matches(name); });
    return found == overrides.end() ? nullptr : &*found;
}

/// An override that matches no tensor is probably a mistake. `names` are those of the output.
template <class Type, class Names>
void warn_of_idle(std::span<const TypeOverride<Type>> overrides, const Names& names, const std::string& output,
                  std::vector<std::string>& warnings) {
    for (const TypeOverride<Type>& o : overrides) {
        if (std::ranges::any_of(names, [&](const std::string& name) { return o.matches(name); })) continue;
        warnings.push_back(
            fmt::format("option 'types': no tensor of the {} has a name with '{}' in it", output, o.match->pattern()));
    }
}

}  // namespace unshard
