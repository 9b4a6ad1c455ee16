// Where an output goes, and what must not be overwritten.
#pragma once

#include "unshard/layout.hpp"

#include <filesystem>
#include <string>

namespace unshard {

/// The absolute path of an output; links are followed, so that a link to a directory keeps being one. Throws Error when
/// there can be no output of this name.
std::filesystem::path final_path(const std::string& output);

/// Refuses an output that cannot be written, before any time is spent on it: it exists (with `force`: it is something
/// that must not be replaced), it lies in the input or around it, or its directory is not writable. Throws Error.
void check_output_path(const std::string& output, const std::string& input, bool force);

/// Whether the layout is one file, and not a directory of files.
bool is_one_file(const Layout& layout);

/// Throws Error when something is at `path` that this output must not replace: anything without `force`; with it,
/// everything that a conversion like this one does not write.
void check_replaceable(const std::filesystem::path& path, const Layout& layout, bool force);

}  // namespace unshard
