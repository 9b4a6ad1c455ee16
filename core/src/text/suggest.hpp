// "Did you mean ...?"
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace unshard {

/// What to say behind an unknown name: "did you mean 'path'?" when a known one is near, else "known are a, b, c".
std::string suggestion(std::string_view wrong, std::span<const std::string> known);

}  // namespace unshard
