#include "rank_files.hpp"

#include "unshard/error.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

namespace unshard::fsdp {
namespace {

/// More ranks than any training run has had.
constexpr std::uint64_t kMaxWorldSize = 1 << 20;

struct RankFile {
    std::uint64_t world_size = 0;
    std::uint64_t rank = 0;
};

bool is_number(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// The two numbers in a rank file's name, as text.
std::optional<std::pair<std::string_view, std::string_view>> split_name(std::string_view name) {
    constexpr std::string_view kHead = "model_world_size_", kMiddle = "_rank_", kTail = ".pt";
    if (!name.starts_with(kHead) || !name.ends_with(kTail) || name.size() < kHead.size() + kTail.size())
        return std::nullopt;
    name.remove_prefix(kHead.size());
    name.remove_suffix(kTail.size());
    const std::size_t middle = name.find(kMiddle);
    if (middle == std::string_view::npos) return std::nullopt;
    const std::string_view world = name.substr(0, middle), rank = name.substr(middle + kMiddle.size());
    if (!is_number(world) || !is_number(rank)) return std::nullopt;
    return std::pair{world, rank};
}

/// A number below `limit`, without leading zeros.
std::optional<std::uint64_t> parse(std::string_view digits, std::uint64_t limit) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || value >= limit || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
    return value;
}

std::optional<RankFile> parse_name(const std::string& name) {
    const auto parts = split_name(name);
    if (!parts) return std::nullopt;
    const auto world_size = parse(parts->first, kMaxWorldSize + 1);
    const auto rank = parse(parts->second, kMaxWorldSize);
    if (!world_size || !rank) {
        throw Error("'" + name + "': a world size or rank that PyTorch would not write so: up to " +
                    std::to_string(kMaxWorldSize) + ", without leading zeros");
    }
    return RankFile{*world_size, *rank};
}

/// Rank files of each world size, in rank order.
using Worlds = std::map<std::uint64_t, std::map<std::uint64_t, std::string>>;

Worlds list_files(const std::string& directory) {
    Worlds worlds;
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename().string();
        const std::optional<RankFile> file = parse_name(name);
        if (file) worlds[file->world_size][file->rank] = entry->path().string();
    }
    if (error) throw Error("cannot list the directory: " + error.message());
    return worlds;
}

std::string list_worlds(const Worlds& worlds) {
    std::string text;
    for (const auto& [world_size, files] : worlds) {
        text +=
            (text.empty() ? "" : ", ") + std::to_string(world_size) + " (" + std::to_string(files.size()) + " files)";
    }
    return text;
}

void check_complete(std::uint64_t world_size, const std::map<std::uint64_t, std::string>& files) {
    std::vector<std::uint64_t> missing, extra;
    for (std::uint64_t rank = 0; rank < world_size; ++rank) {
        if (!files.contains(rank)) missing.push_back(rank);
    }
    for (auto file = files.lower_bound(world_size); file != files.end(); ++file) extra.push_back(file->first);
    const std::string world = " of a world size of " + std::to_string(world_size) + ": ";
    if (!missing.empty()) throw Error("no file of " + list_ranks(missing) + world + "all ranks' files are needed");
    if (!extra.empty())
        throw Error("there is a file of " + list_ranks(extra) + world + "take away what is not of this run");
}

}  // namespace

bool has_rank_files(const std::string& directory) noexcept {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
         entry.increment(error)) {
        if (split_name(entry->path().filename().native())) return true;
    }
    return false;
}

std::vector<std::string> find_rank_files(const std::string& directory) {
    const Worlds worlds = list_files(directory);
    if (worlds.empty()) throw Error("no files 'model_world_size_W_rank_R.pt' in it: not an FSDP checkpoint");
    if (worlds.size() > 1) {
        throw Error("rank files of several world sizes: " + list_worlds(worlds) + ": leave those of one run only");
    }
    const auto& [world_size, files] = *worlds.begin();
    check_complete(world_size, files);
    std::vector<std::string> paths;
    for (const auto& [rank, path] : files) paths.push_back(path);
    return paths;
}

std::string list_ranks(const std::vector<std::uint64_t>& ranks) {
    constexpr std::size_t kMost = 8;
    std::string text = ranks.size() == 1 ? "rank " : "ranks ";
    for (std::size_t i = 0; i < std::min(ranks.size(), kMost); ++i)
        text += (i == 0 ? "" : ", ") + std::to_string(ranks[i]);
    if (ranks.size() > kMost) text += " and " + std::to_string(ranks.size() - kMost) + " more";
    return text;
}

}  // namespace unshard::fsdp
