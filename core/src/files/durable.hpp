// Makes sure that what was written survives a loss of power.
#pragma once

#include <filesystem>

namespace unshard {

/// Closes a descriptor. False, with errno, when something that was written is lost: some file systems tell it only
/// here. A close that a signal interrupted has closed.
bool close_file(int descriptor) noexcept;

/// Waits until a file's bytes are on the disk. False, with errno, when they cannot be.
bool sync_file(int descriptor) noexcept;

/// Waits until the names in a directory are on the disk. Throws Error; a file system that cannot say is believed.
void sync_directory(const std::filesystem::path& directory);

/// The same for a directory and all below it.
void sync_directories(const std::filesystem::path& top);

}  // namespace unshard
