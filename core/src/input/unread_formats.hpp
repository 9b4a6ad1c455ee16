// Names the format of checkpoints that no reader reads: that helps more than a list of the formats that are read.
#pragma once

#include <string>

namespace unshard {

/// One sentence about a file or directory that no reader knows: what it looks like and what would help. Empty when it
/// looks like nothing in particular.
std::string what_it_looks_like(const std::string& path);

}  // namespace unshard
