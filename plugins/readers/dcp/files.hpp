// The files of a DCP directory: metadata, for all ranks or for each, and __<rank>_<number>.distcp.
#pragma once

#include "unshard/index.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace unshard::dcp {

/// What a directory holds, judged by the names of its files. Throws Error when it cannot be read.
enum class Directory { not_dcp, without_metadata, complete };
Directory look_at(const std::string& directory);

/// The paths of the directory's metadata: `.metadata`, or `__<rank>.metadata` of every rank in order. Throws Error when
/// there is none, both kinds, or one rank's is missing.
std::vector<std::string> find_metadata(const std::string& directory);

/// The rank in a name like `__3_0.distcp`; 0 when there is none.
std::uint32_t rank_of(std::string_view name);

/// Data files, as the metadata names them: relative to its directory.
class FileTable {
public:
    /// The number of a file. Throws Error for a name that leads out of the directory.
    std::uint32_t add(std::string_view name);

    const std::vector<std::string>& names() const { return names_; }

    /// All files with their sizes, in the order of their numbers. Throws Error that names the missing ones.
    std::vector<SourceFile> find_in(const std::string& directory) const;

private:
    std::vector<std::string> names_;
    std::unordered_map<std::string, std::uint32_t> numbers_;
};

}  // namespace unshard::dcp
