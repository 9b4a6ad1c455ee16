// How numbers and names look in messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unshard {

/// "12,288".
std::string grouped(std::uint64_t value);

/// "rank 3", "ranks 0-2, 5"; sorts and removes repetitions. "no rank" for none.
std::string ranks_text(std::vector<std::uint64_t> ranks);

/// Whether a name can be printed as it is: valid UTF-8 without control characters.
bool is_printable(std::string_view name);

}  // namespace unshard
