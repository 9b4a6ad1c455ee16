// The names of FSDP rank files, by which the files of one save are found.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace unshard::fsdp {

/// The files of one save.
struct RankFiles {
    std::string pattern;                      ///< what they are called, '*' for the rank
    std::optional<std::uint64_t> world_size;  ///< when their names state it
    std::vector<std::string> paths;           ///< in rank order, all ranks up to the last that is there
    std::set<std::uint64_t> other_worlds;     ///< world sizes of other saves in the directory, where names state them
};

/// Whether a directory holds any file of such a name; what is no directory does not. Throws Error when it cannot be
/// read.
bool has_rank_files(const std::string& directory);

/// `wanted` is the pattern of the save to take; empty: the only one. Throws Error for a directory with none, with
/// several to choose from, or with ranks that are missing or too many.
RankFiles find_rank_files(const std::string& directory, const std::string& wanted);

/// Whether rank 0 saved the whole model alone.
bool is_saved_by_one(const RankFiles& files);

/// For files whose names do not state the world size: compares the number of files with the one that they state inside.
void check_world_size(const RankFiles& files, std::uint64_t world_size);

/// "rank 3" or "ranks 1, 2, 5", and no more than fits a line.
std::string list_ranks(const std::vector<std::uint64_t>& ranks);

}  // namespace unshard::fsdp
