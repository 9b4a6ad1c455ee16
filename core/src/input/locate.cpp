// People name the directory of a run, of a step or of a checkpoint; the checkpoint may lie one or two levels below.
// A reader that was asked for by name and finds nothing gets the path all the same: it says best what it misses.

#include "input/locate.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <vector>

namespace unshard {
namespace {

namespace fs = std::filesystem;

constexpr int kLevelsBelow = 2;
constexpr std::size_t kMostEntries = 100'000;
constexpr std::string_view kAssetsDirectory = "huggingface";

/// A reader that may be the one, opened.
struct Candidate {
    std::string name;
    std::unique_ptr<Reader> reader;
};

Request request_for(const Pipeline::Input& input, const std::string& path, unsigned threads) {
    Request request;
    request.input = path;
    request.options = input.options;
    if (input.root != "auto") request.options["root"] = input.root;
    request.threads = threads;
    return request;
}

std::vector<Candidate> open_candidates(const Pipeline::Input& input, const Plugins& plugins) {
    std::vector<Candidate> candidates;
    const bool is_named = input.reader != "auto";
    for (const std::string& name : is_named ? std::vector{input.reader} : plugins.names(PluginKind::reader)) {
        candidates.push_back({name, plugins.reader(name)});
    }
    return candidates;
}

/// The surest of the candidates for this path; null when none is.
Candidate* surest(std::vector<Candidate>& candidates, const Pipeline::Input& input, const std::string& path) {
    Candidate* best = nullptr;
    Candidate* rival = nullptr;
    int best_score = 0;
    for (Candidate& candidate : candidates) {
        const int score = candidate.reader->probe(request_for(input, path, 1));
        if (score <= 0 || score < best_score) continue;
        rival = score == best_score ? best : nullptr;
        best = &candidate;
        best_score = score;
    }
    if (!rival) return best;
    throw Error(fmt::format("{}: readers '{}' and '{}' are equally sure that it is theirs: pass --reader NAME", path,
                            rival->name, best->name));
}

/// The directories in `directory`, by name. Hidden ones and those that may not be read are none of ours.
std::vector<fs::path> directories_in(const fs::path& directory, std::size_t& entries) {
    std::vector<fs::path> found;
    std::error_code error;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
        if (++entries > kMostEntries) {
            throw Error(fmt::format("{}: more than {} files to look through: name the checkpoint itself",
                                    directory.string(), kMostEntries));
        }
        std::error_code broken_link;
        const bool is_visible = !it->path().filename().string().starts_with('.');
        if (is_visible && it->is_directory(broken_link) && ::access(it->path().c_str(), R_OK | X_OK) == 0) {
            found.push_back(it->path());
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

/// The checkpoints below `top`, none within another. A directory that is reached twice, by a link, counts once.
std::vector<fs::path> checkpoints_below(const fs::path& top, std::vector<Candidate>& candidates,
                                        const Pipeline::Input& input) {
    std::vector<fs::path> found, level = {top};
    std::set<fs::path> seen = {fs::canonical(top)};
    std::size_t entries = 0;
    for (int depth = 0; depth < kLevelsBelow; ++depth) {
        std::vector<fs::path> next;
        for (const fs::path& parent : level) {
            for (const fs::path& child : directories_in(parent, entries)) {
                if (!seen.insert(fs::canonical(child)).second) continue;
                const bool is_checkpoint = surest(candidates, input, child.string()) != nullptr;
                (is_checkpoint ? found : next).push_back(child);
            }
        }
        level = std::move(next);
    }
    return found;
}

[[noreturn]] void fail_nothing_found(const std::string& path, const Plugins& plugins) {
    std::vector<std::string> known, refused;
    for (const FoundPlugin& p : plugins.list(PluginKind::reader)) {
        if (!p.shadowed_by.empty()) continue;
        if (p.refusal.empty()) {
            known.push_back(fmt::format("{} ({})", p.name, p.summary));
        } else {
            refused.push_back(p.name);
        }
    }
    std::string text =
        fmt::format("{}: no checkpoint here or two levels below. Looked for: {}", path,
                    known.empty() ? "nothing, there is no reader" : fmt::format("{}", fmt::join(known, "; ")));
    if (!refused.empty()) text += fmt::format(". Refused readers, see 'unshard plugins': {}", fmt::join(refused, ", "));
    throw Error(text);
}

[[noreturn]] void fail_several(const std::string& path, const std::vector<fs::path>& found) {
    std::vector<std::string> names;
    names.reserve(found.size());
    for (const fs::path& p : found) names.push_back(fmt::format("'{}'", p.string()));
    throw Error(fmt::format("{}: holds {} checkpoints: name one of {}", path, found.size(), fmt::join(names, ", ")));
}

LocatedInput located(Candidate& candidate, const Pipeline::Input& input, const std::string& path, unsigned threads) {
    return {path, candidate.name, std::move(candidate.reader), request_for(input, path, threads)};
}

void check_exists(const std::string& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (status.type() == fs::file_type::not_found) throw Error(path + ": there is no such file or directory");
    if (!fs::exists(status)) throw Error(fmt::format("{}: cannot look at it: {}", path, error.message()));
    if (::access(path.c_str(), R_OK) != 0) throw Error(path + ": may not be read: permission denied");
}

bool has_config(const fs::path& directory) {
    std::error_code error;
    return fs::is_regular_file(directory / "config.json", error);
}

/// Where `directory` lies; "." and "a/.." have a parent too.
fs::path parent_of(const fs::path& directory) {
    fs::path plain = directory.has_filename() ? directory : directory.parent_path();
    if (plain == "." || plain.filename() == "..") plain = fs::absolute(plain).lexically_normal();
    if (!plain.has_filename()) plain = plain.parent_path();
    return plain.parent_path();
}

}  // namespace

std::optional<LocatedInput> recognize(const Pipeline::Input& input, const Plugins& plugins, unsigned threads) {
    check_exists(input.path);
    std::vector<Candidate> candidates = open_candidates(input, plugins);
    Candidate* here = surest(candidates, input, input.path);
    if (!here) return std::nullopt;
    return located(*here, input, input.path, threads);
}

LocatedInput locate_input(const Pipeline::Input& input, const Plugins& plugins, unsigned threads) {
    if (auto here = recognize(input, plugins, threads)) return std::move(*here);
    std::vector<Candidate> candidates = open_candidates(input, plugins);
    std::vector<fs::path> found;
    if (fs::is_directory(input.path)) found = checkpoints_below(input.path, candidates, input);
    if (found.size() > 1) fail_several(input.path, found);
    if (found.size() == 1) {
        const std::string path = found.front().string();
        return located(*surest(candidates, input, path), input, path, threads);
    }
    if (input.reader != "auto") return located(candidates.front(), input, input.path, threads);
    if (!fs::is_directory(input.path)) {
        throw Error(fmt::format("{}: is a file, no reader knows it: name the checkpoint's directory", input.path));
    }
    fail_nothing_found(input.path, plugins);
}

std::string locate_assets(const std::string& assets, const std::string& checkpoint) {
    if (assets == "none") return "";
    if (assets != "auto") {
        if (!fs::is_directory(assets)) throw Error(assets + ": is no directory: --assets names one with config.json");
        return assets;
    }
    const fs::path base(checkpoint);
    for (const fs::path& candidate : {base, base / kAssetsDirectory, parent_of(base) / kAssetsDirectory}) {
        if (has_config(candidate)) return candidate.string();
    }
    return "";
}

}  // namespace unshard
