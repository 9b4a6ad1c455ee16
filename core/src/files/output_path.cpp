#include "files/output_path.hpp"

#include "text/quantity.hpp"
#include "unshard/tools/directory.hpp"
#include "unshard/tools/model_directory.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <set>

namespace unshard {
namespace fs = std::filesystem;
namespace {

fs::path resolved(const std::string& path) {
    std::error_code error;
    const fs::path result = fs::weakly_canonical(fs::absolute(path, error), error);
    if (error) throw Error(fmt::format("{}: {}", path, error.message()));
    return result.has_filename() ? result : result.parent_path();
}

bool is_mount_point(const fs::path& directory) {
    struct stat own{};
    struct stat parent{};
    return ::stat(directory.c_str(), &own) == 0 && ::stat(directory.parent_path().c_str(), &parent) == 0 &&
           own.st_dev != parent.st_dev;
}

/// The name of one of several numbered parts: "model-00001-of-00003.safetensors".
bool is_part(std::string_view name, std::string_view extension) {
    if (!name.ends_with(extension)) return false;
    name.remove_suffix(extension.size());
    constexpr std::string_view kShape = "-#####-of-#####";
    if (name.size() <= kShape.size()) return false;
    name.remove_prefix(name.size() - kShape.size());
    return std::equal(name.begin(), name.end(), kShape.begin(),
                      [](char c, char shape) { return shape == '#' ? c >= '0' && c <= '9' : c == shape; });
}

/// Weights, by the names that a conversion gives them.
bool is_weights(std::string_view name) {
    return name == "model.safetensors" || name == "model.safetensors.index.json" ||
           (name.starts_with("model-") && is_part(name, ".safetensors")) || is_part(name, ".gguf");
}

/// The names in a directory that no conversion like this one writes.
std::vector<std::string> foreign_files_in(const fs::path& directory, const Layout& layout) {
    std::set<std::string> own;
    for (const OutputFile& file : layout.files) own.insert(file.name);
    for (const Asset& asset : layout.assets) own.insert(asset.name);
    std::vector<std::string> strangers;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
        const std::string name = entry.path().lexically_relative(directory).string();
        const bool is_inner = entry.is_directory() && !entry.is_symlink();
        if (!is_inner && !own.contains(name) && !is_weights(name)) strangers.push_back(name);
    }
    std::sort(strangers.begin(), strangers.end());
    return strangers;
}

void check_replaceable_directory(const fs::path& path, const Layout& layout) {
    std::error_code error;
    const fs::path here = fs::current_path(error);
    if (!error && lies_in(here, path)) {
        throw Error(fmt::format("{}: the current directory is in it, it is not replaced: change to another directory",
                                path.string()));
    }
    if (is_mount_point(path)) {
        throw Error(fmt::format("{}: is a mount point and cannot be replaced: name a directory in it", path.string()));
    }
    const std::vector<std::string> strangers = foreign_files_in(path, layout);
    if (strangers.empty()) return;
    throw Error(
        fmt::format("{}: has {} that this conversion does not write, {}: it is not replaced: take {} away, or "
                    "name another output",
                    path.string(), count_of(strangers.size(), "file"), name_list(strangers),
                    strangers.size() == 1 ? "it" : "them"));
}

/// Refuses a file that nobody expects to be overwritten by a model.
void check_replaceable_file(const fs::path& path) {
    if (path.extension() == ".gguf" || path.extension() == ".safetensors" || fs::file_size(path) == 0) return;
    throw Error(
        fmt::format("{}: is a file that no conversion has written, it is not replaced: remove it yourself or "
                    "name another output",
                    path.string()));
}

fs::path nearest_directory(const fs::path& path) {
    fs::path parent = path.parent_path();
    while (kind_of(parent) == PathKind::nothing && parent.has_relative_path()) parent = parent.parent_path();
    return parent;
}

void check_writable(const fs::path& path) {
    const fs::path parent = nearest_directory(path);
    if (!has_directory(parent)) {
        throw Error(fmt::format("{}: '{}' is not a directory", path.string(), parent.string()));
    }
    if (::access(parent.c_str(), W_OK | X_OK) != 0) {
        throw Error(fmt::format("{}: cannot write in '{}': {}", path.string(), parent.string(), std::strerror(errno)));
    }
}

void check_absent(const fs::path& path) {
    if (is_there(path)) throw Error(fmt::format("{}: exists: pass --force to replace it", path.string()));
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

bool is_one_file(const Layout& layout) {
    return layout.files.size() == 1 && layout.files.front().name.empty();
}

void check_replaceable(const fs::path& path, const Layout& layout, bool force) {
    if (!force) return check_absent(path);
    const PathKind old = kind_of(path);
    if (old == PathKind::nothing) return;
    if (old == PathKind::other) {
        throw Error(fmt::format("{}: is neither a file nor a directory, it is not replaced", path.string()));
    }
    const bool is_file = is_one_file(layout);
    if ((old == PathKind::file) != is_file) {
        throw Error(fmt::format("{}: is a {}, the output is a {}: it is not replaced", path.string(),
                                is_file ? "directory" : "file", is_file ? "file" : "directory"));
    }
    is_file ? check_replaceable_file(path) : check_replaceable_directory(path, layout);
}

void check_output_path(const std::string& output, const std::string& input, bool force) {
    const fs::path path = final_path(output);
    const fs::path source = resolved(input);
    if (lies_in(path, source)) {
        throw Error(fmt::format("{}: the output lies in the input '{}': name a path outside it", output, input));
    }
    if (lies_in(source, path)) {
        throw Error(fmt::format("{}: the input '{}' lies in the output: name another path", output, input));
    }
    if (!force) check_absent(path);
    check_writable(path);
}

}  // namespace unshard
