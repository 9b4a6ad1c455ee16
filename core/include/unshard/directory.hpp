// Whether a file is there, and what a directory holds. Only "there is no such file" means absent: an error taken for
// absence would leave out what the model needs.
#pragma once

#include "unshard/error.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace unshard {

inline bool means_absent(const std::error_code& error) {
    return error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
}

/// Whether a path leads to anything. Throws Error when the system does not tell.
inline bool is_there(const std::filesystem::path& path) {
    std::error_code error;
    const std::filesystem::file_status status = std::filesystem::status(path, error);
    if (status.type() == std::filesystem::file_type::not_found) return false;
    if (error) throw Error(path.string() + ": cannot look at it: " + error.message());
    return true;
}

/// The names in a directory, sorted; nothing when there is no such directory. Throws Error when it cannot be read.
inline std::optional<std::vector<std::string>> names_in(const std::filesystem::path& directory) {
    std::error_code error;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        names.push_back(entry->path().filename().string());
    }
    if (means_absent(error)) return std::nullopt;
    if (error) throw Error(directory.string() + ": cannot list the directory: " + error.message());
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace unshard
