// How far a conversion is, in one line.
#pragma once

#include <cstdint>
#include <string>

namespace unshard {

/// " 38%  1.22 GiB of 3.20 GiB  1.68 GiB/s  1.2 s left". Speed and time left are what the bytes so far took, and are
/// not claimed before there is enough to go by.
std::string progress_text(std::uint64_t done, std::uint64_t total, double seconds);

}  // namespace unshard
