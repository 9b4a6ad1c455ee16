// A rank's file is called
//     model_world_size_W_rank_R.pt       by veRL
//     pytorch_model_fsdp[_I]_rankR.bin   by accelerate; I is the number of the model, where there are several
//     pytorch_model_fsdp[_I].bin         by accelerate for FULL_STATE_DICT: rank 0 saves the whole model, no other does
// All files of one save have the same name but for the rank.

#include "rank_files.hpp"

#include "unshard/tools/directory.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <string_view>
#include <utility>

namespace unshard::fsdp {
namespace {

/// More ranks than any training run has had.
constexpr std::uint64_t kMaxWorldSize = 1 << 20;

/// The numbers in a rank file's name, as text; empty where the name has none.
struct NameParts {
    std::string_view world_size, model, rank;
};

bool take(std::string_view& text, std::string_view head) {
    if (!text.starts_with(head)) return false;
    text.remove_prefix(head.size());
    return true;
}

/// `head` and digits behind it; nothing is taken when either is missing.
std::string_view take_number(std::string_view& text, std::string_view head) {
    std::string_view rest = text;
    if (!take(rest, head)) return {};
    const std::string_view digits = rest.substr(0, std::min(rest.find_first_not_of("0123456789"), rest.size()));
    if (digits.empty()) return {};
    text = rest.substr(digits.size());
    return digits;
}

std::optional<NameParts> split_name(std::string_view name) {
    NameParts parts;
    if (take(name, "model_world_size")) {
        parts.world_size = take_number(name, "_");
        parts.rank = take_number(name, "_rank_");
        const bool whole = !parts.world_size.empty() && !parts.rank.empty() && name == ".pt";
        return whole ? std::optional(parts) : std::nullopt;
    }
    if (!take(name, "pytorch_model_fsdp")) return std::nullopt;
    parts.model = take_number(name, "_");
    parts.rank = take_number(name, "_rank");
    return name == ".bin" ? std::optional(parts) : std::nullopt;
}

/// A number up to `kMaxWorldSize`, without leading zeros.
std::uint64_t parse(std::string_view digits) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error == std::errc() && value <= kMaxWorldSize && (digits.size() == 1 || digits.front() != '0')) return value;
    throw Error(fmt::format("has the number '{}', which no run would write so: up to {}, without leading zeros", digits,
                            kMaxWorldSize));
}

/// A rank file by its name.
struct RankFile {
    std::string pattern;
    std::optional<std::uint64_t> world_size;
    std::uint64_t rank = 0;
};

std::optional<RankFile> parse_name(const std::string& name) {
    const auto parts = split_name(name);
    if (!parts) return std::nullopt;
    try {
        RankFile file{.pattern = name, .world_size = {}, .rank = 0};
        if (!parts->world_size.empty()) file.world_size = parse(parts->world_size);
        if (!parts->model.empty()) parse(parts->model);
        if (!parts->rank.empty()) {
            file.rank = parse(parts->rank);
            file.pattern.replace(static_cast<std::size_t>(parts->rank.data() - name.data()), parts->rank.size(), "*");
        }
        return file;
    } catch (const Error& e) {
        throw Error(fmt::format("'{}' {}", name, e.what()));
    }
}

/// The files of one save, by rank.
struct Save {
    std::optional<std::uint64_t> world_size;
    std::map<std::uint64_t, std::string> files;
};

/// By pattern.
using Saves = std::map<std::string, Save>;

Saves list_saves(const std::string& directory, const std::vector<std::string>& names) {
    Saves saves;
    for (const std::string& name : names) {
        const std::optional<RankFile> file = parse_name(name);
        if (!file) continue;
        Save& save = saves[file->pattern];
        save.world_size = file->world_size;
        save.files[file->rank] = (std::filesystem::path(directory) / name).string();
    }
    return saves;
}

std::string list_patterns(const Saves& saves) {
    std::string text;
    for (const auto& [pattern, save] : saves) {
        text += fmt::format("{}'{}' ({} {})", text.empty() ? "" : ", ", pattern, save.files.size(),
                            save.files.size() == 1 ? "file" : "files");
    }
    return text;
}

const Saves::value_type& choose(const Saves& saves, const std::string& wanted) {
    if (saves.empty()) {
        throw Error(
            "no files 'model_world_size_W_rank_R.pt' or 'pytorch_model_fsdp_I_rankR.bin' in it: not an FSDP "
            "checkpoint");
    }
    if (wanted.empty() && saves.size() == 1) return *saves.begin();
    const auto chosen = saves.find(wanted);
    if (chosen != saves.end()) return *chosen;
    if (wanted.empty()) {
        throw Error(fmt::format("rank files of several saves: {}: choose one with --set input.options.files=",
                                list_patterns(saves)));
    }
    throw Error(fmt::format("there are no files '{}', which the option 'files' names: there are {}", wanted,
                            list_patterns(saves)));
}

void check_complete(const std::map<std::uint64_t, std::string>& files, std::uint64_t world_size, bool is_known) {
    std::vector<std::uint64_t> missing, extra;
    for (std::uint64_t rank = 0; rank < world_size; ++rank) {
        if (!files.contains(rank)) missing.push_back(rank);
    }
    for (auto file = files.lower_bound(world_size); file != files.end(); ++file) extra.push_back(file->first);
    const std::string world = is_known ? fmt::format(" of a world size of {}: ", world_size)
                                       : fmt::format(", and there is one of rank {}: ", world_size - 1);
    if (!missing.empty())
        throw Error(fmt::format("no file of {}{}all ranks' files are needed", list_ranks(missing), world));
    if (!extra.empty())
        throw Error(fmt::format("there is a file of {}{}take away what is not of this run", list_ranks(extra), world));
}

}  // namespace

bool has_rank_files(const std::string& directory) {
    const auto names = names_in(directory);
    return names && std::ranges::any_of(*names, [](const std::string& name) { return split_name(name).has_value(); });
}

RankFiles find_rank_files(const std::string& directory, const std::string& wanted) {
    const Saves saves = list_saves(directory, names_in(directory).value_or(std::vector<std::string>()));
    const auto& [pattern, save] = choose(saves, wanted);
    check_complete(save.files, save.world_size.value_or(save.files.rbegin()->first + 1), save.world_size.has_value());
    RankFiles found{.pattern = pattern, .world_size = save.world_size, .paths = {}, .other_worlds = {}};
    for (const auto& [rank, path] : save.files) found.paths.push_back(path);
    for (const auto& [other, files] : saves) {
        if (other != pattern && files.world_size) found.other_worlds.insert(*files.world_size);
    }
    return found;
}

bool is_saved_by_one(const RankFiles& files) {
    return files.pattern.find('*') == std::string::npos;
}

void check_world_size(const RankFiles& files, std::uint64_t world_size) {
    if (is_saved_by_one(files) && world_size > 1) {
        throw Error(
            fmt::format("'{}' is what rank 0 alone saved, and it holds rank 0's part of tensors that {} ranks share: "
                        "the other parts are in no file: load the training state and save it with SHARDED_STATE_DICT",
                        files.pattern, world_size));
    }
    if (world_size > kMaxWorldSize) {
        throw Error(fmt::format("its files speak of {} ranks, at most {} are supported", world_size, kMaxWorldSize));
    }
    std::map<std::uint64_t, std::string> by_rank;
    for (const std::string& path : files.paths) by_rank.emplace(by_rank.size(), path);
    check_complete(by_rank, world_size, true);
}

std::string list_ranks(const std::vector<std::uint64_t>& ranks) {
    std::vector<std::string> numbers;
    for (const std::uint64_t rank : ranks) numbers.push_back(std::to_string(rank));
    return (ranks.size() == 1 ? "rank " : "ranks ") + some_of(numbers);
}

}  // namespace unshard::fsdp
