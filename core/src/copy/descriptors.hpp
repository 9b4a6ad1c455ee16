// How many files may be open at once.
#pragma once

#include <cstddef>

namespace unshard {

/// Lets the process open as many files as the system allows it.
void raise_descriptor_limit();

/// How many files one side of a copy, reading or writing, keeps open: a checkpoint and a model may have hundreds.
std::size_t most_open_files();

}  // namespace unshard
