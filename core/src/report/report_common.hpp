// What several reports share.
#pragma once

#include "unshard/dims.hpp"
#include "unshard/index.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace unshard {

/// What was left out: a line for each reason, with the names it applies to; long lists end in a count.
std::string dropped_text(const std::vector<Dropped>& dropped);

/// The same as a list of {name, why}.
nlohmann::ordered_json to_json(const std::vector<Dropped>& dropped);

/// A list of numbers.
nlohmann::ordered_json to_json(const Dims& dims);

}  // namespace unshard
