// Lists of ranks, for people.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace unshard {

/// "rank 3", "ranks 0-2, 5"; sorts and removes repetitions. "no rank" for none.
std::string ranks_text(std::vector<std::uint64_t> ranks);

}  // namespace unshard
