// The names of FSDP rank files, by which the files of one save are found.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace unshard::fsdp {

/// The files of one save.
struct RankFiles {
    std::string pattern;                      ///< what they are called, '*' for the rank
    std::optional<std::uint64_t> world_size;  ///< when their names state it
    std::vector<std::string> paths;           ///< in rank order, all ranks up to the last that is there
};

/// Whether a directory holds any file of such a name. Never throws.
bool has_rank_files(const std::string& directory) noexcept;

/// `wanted` is the pattern of the save to take; empty: the only one. Throws Error for a directory with none, with
/// several to choose from, or with ranks that are missing or too many.
RankFiles find_rank_files(const std::string& directory, const std::string& wanted);

/// For files whose names do not say how many ranks there are: holds them against what stands inside.
void check_world_size(const RankFiles& files, std::uint64_t world_size);

/// "rank 3" or "ranks 1, 2, 5", and no more than fits a line.
std::string list_ranks(const std::vector<std::uint64_t>& ranks);

}  // namespace unshard::fsdp
