// torch/distributed/checkpoint/_hf_utils.py names the files: shard-R-model-I-of-N.safetensors, with numbers of five
// digits or more, R from 1 to the number of ranks and I from 1 to N, the number of files the whole model is to have. A
// rank writes no file I when it holds none of its tensors, but it hardly ever writes none at all.

#include "shard_files.hpp"

#include "unshard/tools/directory.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

namespace unshard::dcp_hf {
namespace {

namespace fs = std::filesystem;

/// More ranks, and more files, than any training run has had.
constexpr std::uint32_t kMaxNumber = 1 << 20;

struct Numbers {
    std::uint32_t rank = 0;
    std::uint32_t file = 0;
    std::uint32_t files = 0;
};

bool take(std::string_view& text, std::string_view expected) {
    if (!text.starts_with(expected)) return false;
    text.remove_prefix(expected.size());
    return true;
}

/// A number from 1 on.
bool take(std::string_view& text, std::uint32_t& number) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number == 0 || number > kMaxNumber) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

std::optional<Numbers> parse_name(std::string_view name) {
    Numbers n;
    const bool fits = take(name, "shard-") && take(name, n.rank) && take(name, "-model-") && take(name, n.file) &&
                      take(name, "-of-") && take(name, n.files) && name == ".safetensors" && n.file <= n.files;
    return fits ? std::optional(n) : std::nullopt;
}

/// The files of such names, sorted: messages should not depend on the order of the file system.
std::map<std::string, Numbers> list(const std::string& directory) {
    std::map<std::string, Numbers> found;
    for (const std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
        if (const std::optional<Numbers> numbers = parse_name(name)) found.emplace(name, *numbers);
    }
    return found;
}

/// Paths by rank and file. The names must agree on the number of files.
class Listing {
public:
    void add(const Numbers& numbers, std::string path) {
        if (files_ == 0) files_ = numbers.files;
        if (numbers.files != files_) {
            throw Error(fmt::format("files of a model of {} and of one of {} files: leave those of one save only",
                                    files_, numbers.files));
        }
        const auto [entry, is_new] = paths_.try_emplace({numbers.rank, numbers.file}, std::move(path));
        if (!is_new) throw Error(fmt::format("'{}' is there twice, in names of different width", entry->second));
    }

    void check_complete() const {
        std::uint32_t expected = 1;
        for (const auto& [key, path] : paths_) {
            if (key.first > expected) {
                throw Error(
                    fmt::format("no file 'shard-*-model-*' of shard {}, there are {}: copy it too, or, if that rank "
                                "saved nothing, pass --set input.options.allow_gaps=true",
                                expected, paths_.rbegin()->first.first));
            }
            expected = key.first + 1;
        }
    }

    std::vector<ShardFile> files() const {
        std::vector<ShardFile> files;
        for (const auto& [key, path] : paths_) files.push_back({path, key.first - 1});
        return files;
    }

private:
    std::uint32_t files_ = 0;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::string> paths_;
};

}  // namespace

bool has_shard_files(const std::string& directory) {
    return !list(directory).empty();
}

std::vector<ShardFile> find_shard_files(const std::string& directory, bool allow_gaps) {
    Listing listing;
    for (const auto& [name, numbers] : list(directory)) listing.add(numbers, (fs::path(directory) / name).string());
    std::vector<ShardFile> files = listing.files();
    if (files.empty()) throw Error("no files 'shard-R-model-I-of-N.safetensors' in it: not a sharded HF checkpoint");
    if (!allow_gaps) listing.check_complete();
    return files;
}

}  // namespace unshard::dcp_hf
