// What was left out, and why.
#pragma once

#include "unshard/index.hpp"

#include <string>
#include <vector>

namespace unshard {

/// A line for each reason, with the names it goes for; long lists end in a count.
std::string dropped_text(const std::vector<Dropped>& dropped);

}  // namespace unshard
