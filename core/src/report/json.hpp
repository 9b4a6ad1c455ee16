// What several reports say in JSON.
#pragma once

#include "unshard/dims.hpp"
#include "unshard/index.hpp"

#include <nlohmann/json.hpp>

#include <vector>

namespace unshard {

/// A list of numbers.
nlohmann::ordered_json to_json(const Dims& dims);

/// A list of {name, why}.
nlohmann::ordered_json to_json(const std::vector<Dropped>& dropped);

}  // namespace unshard
