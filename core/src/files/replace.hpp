// Gives an output its name, in one step, with a way back.
#pragma once

#include <filesystem>

namespace unshard {

/// An output that takes the place of what has its name, if anything.
struct Replacement {
    std::filesystem::path fresh;  ///< the output; later the old one, where there was one
    std::filesystem::path name;
    std::filesystem::path aside;  ///< where the old one goes, where the file system cannot exchange names
    bool has_old = false;         ///< known once it is done
    bool is_aside = false;
};

/// Throws Error; then nothing has changed, but for an old output that could not be put back: `is_aside` says so.
void replace(Replacement& replacement);

/// Undoes it. False when that failed.
bool take_back(const Replacement& replacement) noexcept;

}  // namespace unshard
