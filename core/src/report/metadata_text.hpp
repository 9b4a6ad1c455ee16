// Shows the keys of formats that have them, e.g. GGUF.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace unshard {

/// A line for each of `metadata.keys`, a list of {key, type, value} with the count of an array of which `value` is the
/// beginning; long values are shortened. Empty when there are none. What is not of this form is shown as it is.
std::string keys_text(const nlohmann::json& metadata);

}  // namespace unshard
