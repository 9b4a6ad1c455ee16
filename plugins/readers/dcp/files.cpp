#include "files.hpp"

#include "unshard/tools/directory.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>

namespace unshard::dcp {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMetadata = ".metadata";
constexpr std::string_view kData = ".distcp";

/// More ranks than any training run has had.
constexpr std::uint32_t kMaxRanks = 1 << 20;

std::optional<std::uint32_t> parse_rank(std::string_view digits) {
    std::uint32_t rank = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), rank);
    if (error != std::errc() || end != digits.data() + digits.size() || rank >= kMaxRanks) return std::nullopt;
    return rank;
}

/// The rank of `__3.metadata`.
std::optional<std::uint32_t> metadata_rank(std::string_view name) {
    if (!name.starts_with("__") || !name.ends_with(kMetadata)) return std::nullopt;
    name.remove_prefix(2);
    name.remove_suffix(kMetadata.size());
    return parse_rank(name);
}

struct Listing {
    bool has_metadata = false;
    bool has_unfinished = false;
    bool has_data = false;
    std::map<std::uint32_t, std::string> by_rank;
};

Listing list(const std::string& directory) {
    Listing found;
    for (const std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
        found.has_metadata |= name == kMetadata;
        found.has_unfinished |= name.ends_with(".metadata.tmp");
        found.has_data |= name.ends_with(kData);
        if (const auto rank = metadata_rank(name)) found.by_rank.emplace(*rank, (fs::path(directory) / name).string());
    }
    return found;
}

std::vector<std::string> of_all_ranks(const std::map<std::uint32_t, std::string>& by_rank) {
    std::vector<std::string> paths;
    for (const auto& [rank, path] : by_rank) {
        if (rank != paths.size()) {
            throw Error(fmt::format("'__{}.metadata' is missing, '__{}.metadata' is there: each rank's is needed",
                                    paths.size(), rank));
        }
        paths.push_back(path);
    }
    return paths;
}

bool leads_out(const fs::path& path) {
    return path.empty() || path.is_absolute() || std::ranges::find(path, "..") != path.end();
}

}  // namespace

Directory look_at(const std::string& directory) {
    const Listing found = list(directory);
    if (found.has_metadata || !found.by_rank.empty()) return Directory::complete;
    return found.has_data ? Directory::without_metadata : Directory::not_dcp;
}

std::vector<std::string> find_metadata(const std::string& directory) {
    const Listing found = list(directory);
    if (found.has_metadata && !found.by_rank.empty()) {
        throw Error(
            fmt::format("both '.metadata' and '__{}.metadata': two checkpoints in one directory: take one of them away",
                        found.by_rank.begin()->first));
    }
    if (found.has_metadata) return {(fs::path(directory) / kMetadata).string()};
    if (!found.by_rank.empty()) return of_all_ranks(found.by_rank);
    if (found.has_unfinished) {
        throw Error("there is '.metadata.tmp' and no '.metadata', which is written last: the save did not finish");
    }
    throw Error("there is no '.metadata', which says what lies where: not a DCP checkpoint, or an incomplete copy");
}

std::uint32_t rank_of(std::string_view name) {
    name.remove_prefix(std::min(name.size(), name.rfind('/') + 1));
    const std::size_t begin = name.rfind("__");
    if (begin == std::string_view::npos) return 0;
    name.remove_prefix(begin + 2);
    return parse_rank(name.substr(0, name.find('_'))).value_or(0);
}

std::uint32_t FileTable::add(std::string_view name) {
    const auto [entry, is_new] = numbers_.try_emplace(std::string(name), static_cast<std::uint32_t>(names_.size()));
    if (!is_new) return entry->second;
    if (name.find('\0') != std::string_view::npos) throw Error("the path of its file holds a zero byte");
    if (leads_out(entry->first))
        throw Error(fmt::format("the file '{}' is outside the checkpoint's directory", entry->first));
    names_.push_back(entry->first);
    return entry->second;
}

std::vector<SourceFile> FileTable::find_in(const std::string& directory) const {
    std::vector<SourceFile> files;
    std::vector<std::string> missing;
    for (const std::string& name : names_) {
        const fs::path path = fs::path(directory) / name;
        if (has_file(path)) {
            files.push_back(source_file(InputFile(path.string())));
        } else {
            missing.push_back(name);
        }
    }
    if (missing.empty()) return files;
    throw Error(fmt::format("{} of {} files that hold the model are missing: {}: copy them too", missing.size(),
                            names_.size(), name_list(missing)));
}

}  // namespace unshard::dcp
