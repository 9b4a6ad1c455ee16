// What lies where no reader found a checkpoint: people learn more from the name of the format than from a list of
// others.
#pragma once

#include <string>

namespace unshard {

/// One sentence about a file or directory that no reader knows: what it looks like and what would help. Empty when it
/// looks like nothing in particular.
std::string what_it_looks_like(const std::string& path);

}  // namespace unshard
