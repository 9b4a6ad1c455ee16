// Amounts with their units, for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace unshard {

/// "12,288".
std::string grouped(std::uint64_t value);

/// "1 tensor", "311 tensors".
std::string count_of(std::uint64_t number, std::string_view noun);

/// "512 bytes", "3.20 GiB".
std::string size_text(std::uint64_t bytes);

/// "1.68 GiB/s", "12.5 MiB/s"; empty when the time is too short to say.
std::string rate_text(std::uint64_t bytes, double seconds);

/// "0.4 s", "12 s", "3 min 20 s", "2 h 05 min".
std::string duration_text(double seconds);

}  // namespace unshard
