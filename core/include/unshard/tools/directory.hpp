// What is at a path, and what a directory holds. Only ENOENT and ENOTDIR mean that nothing is: an error taken for
// absence would leave out what the model needs, and so would a link to nothing.
#pragma once

#include "unshard/tools/error.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace unshard {

inline bool means_absent(const std::error_code& error) {
    return error == std::errc::no_such_file_or_directory || error == std::errc::not_a_directory;
}

enum class PathKind { nothing, file, directory, other };

/// Follows links. Throws Error when it cannot be known, and for a link to nothing.
inline PathKind kind_of(const std::filesystem::path& path) {
    struct stat found{};
    if (::stat(path.c_str(), &found) == 0) {
        if (S_ISREG(found.st_mode)) return PathKind::file;
        return S_ISDIR(found.st_mode) ? PathKind::directory : PathKind::other;
    }
    const int reason = errno;
    if (reason != ENOENT && reason != ENOTDIR) throw Error(path.string() + ": " + std::strerror(reason));
    if (::lstat(path.c_str(), &found) == 0) throw Error(path.string() + ": is a link to nothing");
    return PathKind::nothing;
}

/// Whether a path leads to anything.
inline bool is_there(const std::filesystem::path& path) {
    return kind_of(path) != PathKind::nothing;
}
inline bool has_directory(const std::filesystem::path& path) {
    return kind_of(path) == PathKind::directory;
}

/// Whether there is a file that can be read. Throws Error when something else has the name: a directory, a pipe, a
/// device.
inline bool has_file(const std::filesystem::path& path) {
    const PathKind kind = kind_of(path);
    if (kind == PathKind::directory || kind == PathKind::other) throw Error(path.string() + ": not a regular file");
    return kind == PathKind::file;
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
