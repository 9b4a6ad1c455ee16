// The names of FSDP rank files: model_world_size_W_rank_R.pt.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace unshard::fsdp {

/// Whether a directory holds any file of such a name. Never throws.
bool has_rank_files(const std::string& directory) noexcept;

/// The paths of all ranks' files, in rank order. Throws Error for a directory with none, with several world sizes, or
/// with ranks that are missing or too many.
std::vector<std::string> find_rank_files(const std::string& directory);

/// "rank 3" or "ranks 1, 2, 5", and no more than fits a line.
std::string list_ranks(const std::vector<std::uint64_t>& ranks);

}  // namespace unshard::fsdp
