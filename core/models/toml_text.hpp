// The one way in for TOML: bounded in size and depth.
#pragma once

#include <toml++/toml.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <string>
#include <string_view>

namespace unshard {

/// Reads a file of at most 16 MiB. Throws UsageError that names it.
std::string read_toml_text(const std::string& path);

/// `name` is what messages call the text. Throws toml::parse_error when it is not TOML, and UsageError when keys and
/// values are nested deeper than 100 levels: a few kilobytes of "a.a.a..." would use up the stack.
toml::table parse_toml(std::string_view text, const std::string& name);

/// Gets the pointer of a value in the JSON, and what it was made from.
using SeeValue = std::function<void(const nlohmann::json::json_pointer&, const toml::node&)>;

/// What parse_toml gave, or a part of it, as JSON. Throws UsageError for dates, times and numbers that are not finite,
/// which JSON does not have; the last value seen is the one that it is about.
nlohmann::json json_of(const toml::node& node, const SeeValue& see = {});

}  // namespace unshard
