// Makes sure that what was written survives a loss of power.
#pragma once

#include <filesystem>

namespace unshard {

/// Closes a descriptor. False, with errno, when bytes that were written are lost: some file systems report that only at
/// close. A close that a signal interrupted counts as done.
bool close_file(int descriptor) noexcept;

/// Waits until a file's bytes are on the disk. False, with errno, when they cannot be.
bool sync_file(int descriptor) noexcept;

/// Waits until the names in a directory are on the disk. Throws Error. Nothing happens on file systems that do not
/// support it.
void sync_directory(const std::filesystem::path& directory);

/// The same for a directory and all below it.
void sync_directories(const std::filesystem::path& top);

}  // namespace unshard
