// How many files may be open at once.
#pragma once

#include <cstddef>

namespace unshard {

/// How many files one side of a copy, reading or writing, keeps open: a checkpoint and a model may have hundreds. Lets
/// the process open as many as the system allows it.
std::size_t most_open_files();

}  // namespace unshard
