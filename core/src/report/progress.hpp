// How far a conversion is, in one line.
#pragma once

#include <cstdint>
#include <string>

namespace unshard {

/// " 38%  1.22 GiB of 3.20 GiB  1.68 GiB/s  1.2 s left". Speed and time left are estimated from the bytes so far, and
/// are left out until there are enough of them.
std::string progress_text(std::uint64_t done, std::uint64_t total, double seconds);

}  // namespace unshard
