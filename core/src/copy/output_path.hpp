// Where an output goes, and what must not be overwritten.
#pragma once

#include <filesystem>
#include <string>

namespace unshard {

/// The absolute path of an output; links are followed, so that a link to a directory keeps being one. Throws Error when
/// there can be no output of this name.
std::filesystem::path final_path(const std::string& output);

/// Throws Error when something is at `path` that `force` is missing for, or that is not replaced even with it: only
/// models and files are.
void check_replaceable(const std::filesystem::path& path, bool force);

}  // namespace unshard
