// The files beside config.json: configuration, tokenizer, model code. They go into what is made to be published, so a
// link in a stranger's checkpoint must not bring in what lies elsewhere on this machine.
#pragma once

#include "unshard/tools/directory.hpp"

#include <algorithm>
#include <filesystem>
#include <string>

namespace unshard {

/// Whether `inner` is `outer` or lies in it; both without links.
inline bool lies_in(const std::filesystem::path& inner, const std::filesystem::path& outer) {
    return std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end()).first == outer.end();
}

/// Hugging Face's cache keeps the files of `snapshots/REVISION/` as links to `blobs/HASH` beside `snapshots`.
inline bool is_hub_blob(const std::filesystem::path& target, const std::filesystem::path& directory) {
    const std::string hash = target.filename().string();
    const bool is_hash =
        (hash.size() == 40 || hash.size() == 64) && hash.find_first_not_of("0123456789abcdef") == std::string::npos;
    const std::filesystem::path snapshots = directory.parent_path();
    return is_hash && snapshots.filename() == "snapshots" && target.parent_path() == snapshots.parent_path() / "blobs";
}

/// Throws Error when `path` leads, by links, out of the directory of a model that it is in; `huggingface` in a
/// checkpoint may lead to elsewhere in the checkpoint.
inline void check_stays_in(const std::filesystem::path& directory, const std::filesystem::path& path) {
    namespace fs = std::filesystem;
    const fs::path target = fs::canonical(path);
    const fs::path base = fs::canonical(directory);
    if (lies_in(target, base) || is_hub_blob(target, base)) return;
    if (base.filename() == "huggingface" && lies_in(target, base.parent_path())) return;
    throw Error(path.string() + ": is a link to '" + target.string() +
                "', outside the model's directory: put a copy in its place, if it is meant");
}

/// Whether a model's directory has this file, which may be read then. Throws Error when that cannot be known, when it
/// is something else than a file, and when it is a link that leaves the directory.
inline bool has_model_file(const std::filesystem::path& directory, const std::string& name) {
    const std::filesystem::path path = directory / name;
    if (!has_file(path)) return false;
    check_stays_in(directory, path);
    return true;
}

}  // namespace unshard
