#include "copy/output_path.hpp"

#include "copy/staging.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace unshard {
namespace fs = std::filesystem;
namespace {

fs::path resolved(const std::string& path) {
    std::error_code error;
    const fs::path result = fs::weakly_canonical(fs::absolute(path, error), error);
    if (error) throw Error(fmt::format("{}: {}", path, error.message()));
    return result.has_filename() ? result : result.parent_path();
}

/// Whether `inner` is `outer` or lies in it.
bool is_within(const fs::path& inner, const fs::path& outer) {
    return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

bool looks_like_model(const fs::path& directory) {
    return std::ranges::any_of(fs::directory_iterator(directory), [](const fs::directory_entry& entry) {
        const fs::path& file = entry.path();
        return file.filename() == "config.json" || file.extension() == ".safetensors" || file.extension() == ".gguf";
    });
}

bool is_mount_point(const fs::path& directory) {
    struct stat own{};
    struct stat parent{};
    return ::stat(directory.c_str(), &own) == 0 && ::stat(directory.parent_path().c_str(), &parent) == 0 &&
           own.st_dev != parent.st_dev;
}

/// A directory that can be renamed away without harm to anybody.
void check_replaceable_directory(const fs::path& path) {
    std::error_code error;
    const fs::path here = fs::current_path(error);
    if (!error && is_within(here, path)) {
        throw Error(fmt::format("{}: the current directory is in it, it is not replaced: change to another directory",
                                path.string()));
    }
    if (is_mount_point(path)) {
        throw Error(fmt::format("{}: is a mount point and cannot be replaced: name a directory in it", path.string()));
    }
    const bool is_empty = fs::is_empty(path, error);
    if (error) throw Error(fmt::format("{}: {}", path.string(), error.message()));
    if (!is_empty && !looks_like_model(path)) {
        throw Error(
            fmt::format("{}: holds no model (config.json, *.safetensors or *.gguf), it is not replaced: "
                        "remove it yourself or name another",
                        path.string()));
    }
}

void check_writable(const fs::path& path) {
    fs::path parent = path.parent_path();
    std::error_code error;
    while (!fs::exists(parent, error) && parent.has_relative_path()) parent = parent.parent_path();
    if (!fs::is_directory(parent, error)) {
        throw Error(fmt::format("{}: '{}' is not a directory", path.string(), parent.string()));
    }
    if (::access(parent.c_str(), W_OK | X_OK) != 0) {
        throw Error(fmt::format("{}: cannot write in '{}': {}", path.string(), parent.string(), std::strerror(errno)));
    }
}

}  // namespace

fs::path final_path(const std::string& output) {
    if (output.empty()) throw UsageError("output: its path is empty");
    fs::path path = resolved(output);
    if (!path.has_relative_path()) throw Error(fmt::format("{}: cannot be an output", output));
    std::error_code error;
    if (fs::is_symlink(path, error)) {
        throw Error(fmt::format("{}: is a link to nothing: remove it or make what it points to", path.string()));
    }
    return path;
}

void check_replaceable(const fs::path& path, bool force) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found) return;
    if (error) throw Error(fmt::format("{}: {}", path.string(), error.message()));
    if (!force) throw Error(fmt::format("{}: exists: pass --force to replace it", path.string()));
    if (fs::is_regular_file(status)) return;
    if (!fs::is_directory(status)) {
        throw Error(fmt::format("{}: is neither a file nor a directory, it is not replaced", path.string()));
    }
    check_replaceable_directory(path);
}

void check_output_path(const std::string& output, const std::string& input, bool force) {
    const fs::path path = final_path(output);
    const fs::path source = resolved(input);
    if (is_within(path, source)) {
        throw Error(fmt::format("{}: the output lies in the input '{}': name a path outside it", output, input));
    }
    if (is_within(source, path)) {
        throw Error(fmt::format("{}: the input '{}' lies in the output: name another path", output, input));
    }
    check_replaceable(path, force);
    check_writable(path);
}

}  // namespace unshard
