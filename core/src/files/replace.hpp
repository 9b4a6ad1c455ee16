// Gives an output its name in one step, and can undo it.
#pragma once

#include <filesystem>

namespace unshard {

/// An output and the name that it gets, with what has that name now, if anything.
struct Replacement {
    std::filesystem::path fresh;  ///< the output; later the old one, where there was one
    std::filesystem::path name;
    std::filesystem::path aside;  ///< where the old one goes, where the file system cannot exchange names
    bool has_old = false;         ///< known once it is done
    bool is_aside = false;
};

/// Throws Error; then nothing has changed, unless the old output could not be renamed back: see `is_aside`.
void replace(Replacement& replacement);

/// Undoes `replace`. False when that failed.
bool undo(const Replacement& replacement) noexcept;

}  // namespace unshard
