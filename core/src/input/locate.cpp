// Users name the directory of a run, of a step or of a checkpoint; the checkpoint may be one to three levels below,
// beside that of the optimizer, which the same reader can read. A reader that the user named gets the path even if it
// finds nothing there: its error says best what is missing.

#include "input/locate.hpp"

#include "input/unread_formats.hpp"
#include "unshard/tools/directory.hpp"
#include "unshard/tools/json_file.hpp"
#include "unshard/tools/model_directory.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <re2/re2.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>
#include <set>
#include <vector>

namespace unshard {
namespace {

namespace fs = std::filesystem;

constexpr int kLevelsBelow = 3;
constexpr std::size_t kMostEntries = 100'000;

/// A reader that is less sure than this has seen only files that may belong to any format.
constexpr int kSure = 50;

/// Where training programs put config.json and the tokenizer: veRL, NeMo-Automodel.
constexpr std::string_view kAssetsDirectories[] = {"huggingface", ".hf_metadata"};

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

/// The reader that the user named, else all of them. One that cannot be used is refused: it may be the one for this
/// checkpoint, and another would take it for something else.
std::vector<Candidate> open_candidates(const Pipeline::Input& input, const Plugins& plugins) {
    std::vector<Candidate> candidates;
    if (input.reader != "auto") {
        candidates.push_back({input.reader, plugins.reader(input.reader)});
        return candidates;
    }
    for (const FoundPlugin& p : plugins.list(PluginKind::reader)) {
        if (!p.shadowed_by.empty()) continue;
        if (!p.refusal.empty()) {
            throw Error(fmt::format(
                "{}: {}; it may be the reader for this checkpoint: mend or remove it, or pass --reader NAME",
                p.file.string(), p.refusal));
        }
        candidates.push_back({p.name, plugins.reader(p.name)});
    }
    std::ranges::sort(candidates, {}, &Candidate::name);
    return candidates;
}

/// The candidate that is surest of a path, and how sure it is.
struct BestReader {
    Candidate* candidate = nullptr;  ///< null when none is
    int score = 0;
};

/// The surest of the candidates. Throws Error when two are equally sure.
BestReader surest_reader(std::vector<Candidate>& candidates, const Pipeline::Input& input, const std::string& path) {
    BestReader best;
    const Candidate* rival = nullptr;
    for (Candidate& candidate : candidates) {
        const int score = candidate.reader->probe(request_for(input, path, 1));
        if (score <= 0 || score < best.score) continue;
        rival = score == best.score ? best.candidate : nullptr;
        best = {&candidate, score};
    }
    if (!rival) return best;
    throw Error(fmt::format("{}: readers '{}' and '{}' are equally sure that it is theirs: pass --reader NAME", path,
                            rival->name, best.candidate->name));
}

/// What is looked through for checkpoints.
struct Search {
    std::size_t entries = 0;
    std::vector<std::string> closed;  ///< directories that may not be read: there may be a checkpoint in them
};

/// Whether it is a directory that may be looked into. Throws Error when that cannot be known.
bool is_open_directory(const fs::directory_entry& entry, Search& search) {
    std::error_code error;
    const bool is_directory = entry.is_directory(error);
    const bool is_hidden = error == std::errc::permission_denied;
    if (error && !means_absent(error) && !is_hidden) {
        throw Error(fmt::format("{}: {}", entry.path().string(), error.message()));
    }
    if (!is_directory && !is_hidden) return false;
    if (is_directory && ::access(entry.path().c_str(), R_OK | X_OK) == 0) return true;
    const int reason = is_hidden ? EACCES : errno;
    if (reason == EACCES) search.closed.push_back(entry.path().string());
    if (reason == EACCES || reason == ENOENT) return false;
    throw Error(fmt::format("{}: {}", entry.path().string(), std::strerror(reason)));
}

/// The directories in `directory`, by name. Without hidden ones and those that may not be read.
std::vector<fs::path> directories_in(const fs::path& directory, Search& search) {
    std::vector<fs::path> found;
    std::error_code error;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
        if (++search.entries > kMostEntries) {
            throw Error(fmt::format("{}: more than {} files to look through: name the checkpoint itself",
                                    directory.string(), kMostEntries));
        }
        if (!it->path().filename().string().starts_with('.') && is_open_directory(*it, search))
            found.push_back(it->path());
    }
    if (error) throw Error(fmt::format("{}: cannot list the directory: {}", directory.string(), error.message()));
    std::sort(found.begin(), found.end());
    return found;
}

struct Found {
    fs::path path;
    Candidate* candidate = nullptr;
};

/// The checkpoints below `top`, none within another. A directory that is reached twice, by a link, counts once.
std::vector<Found> checkpoints_below(const fs::path& top, std::vector<Candidate>& candidates,
                                     const Pipeline::Input& input, Search& search) {
    std::vector<Found> found;
    std::vector<fs::path> level = {top};
    std::set<fs::path> seen = {fs::canonical(top)};
    for (int depth = 0; depth < kLevelsBelow; ++depth) {
        std::vector<fs::path> next;
        for (const fs::path& parent : level) {
            for (const fs::path& child : directories_in(parent, search)) {
                if (!seen.insert(fs::canonical(child)).second) continue;
                const BestReader best = surest_reader(candidates, input, child.string());
                if (best.candidate) found.push_back({child, best.candidate});
                if (!best.candidate) next.push_back(child);
            }
        }
        level = std::move(next);
    }
    return found;
}

/// Whether a directory has a name that programs give to what they keep beside the model.
bool is_beside_model(const std::string& name) {
    return re2::RE2::FullMatch(
        name,
        "(optims?|optimizers?|optimizer_states?|optim_states?|(lr_)?schedulers?|dataloader|rng|rng_states?|extra_state)"
        "([_-]?[0-9]+)?");
}

/// If one checkpoint is left without those of optimizers and schedulers, keeps it alone and moves the others to
/// `passed_over`.
void pass_over_states(std::vector<Found>& found, const fs::path& top, std::vector<Dropped>& passed_over) {
    const auto is_state = [&](const Found& f) {
        const fs::path below = f.path.lexically_relative(top);
        return std::any_of(below.begin(), below.end(),
                           [](const fs::path& name) { return is_beside_model(name.string()); });
    };
    const auto models = static_cast<std::size_t>(std::ranges::count_if(found, std::not_fn(is_state)));
    if (models != 1 || found.size() == 1) return;
    for (const Found& f : found) {
        if (is_state(f))
            passed_over.push_back({f.path.lexically_relative(top).string(), "beside the model, by its name"});
    }
    std::erase_if(found, is_state);
}

[[noreturn]] void fail_nothing_found(const std::string& path, const Plugins& plugins, const Search& search) {
    std::string seen = what_it_looks_like(path);
    if (seen.empty() && !search.closed.empty()) seen = name_list(search.closed) + " may not be read";
    std::vector<std::string> known;
    for (const FoundPlugin& p : plugins.list(PluginKind::reader)) {
        if (p.shadowed_by.empty()) known.push_back(fmt::format("{} ({})", p.name, p.summary));
    }
    throw Error(fmt::format("{}: no checkpoint here or up to three levels below. {}Looked for: {}", path,
                            seen.empty() ? "" : seen + ". ",
                            known.empty() ? "nothing, there is no reader" : fmt::format("{}", fmt::join(known, "; "))));
}

[[noreturn]] void fail_several(const std::string& path, const std::vector<Found>& found) {
    std::vector<std::string> names;
    names.reserve(found.size());
    for (const Found& f : found) names.push_back(fmt::format("'{}'", f.path.string()));
    throw Error(fmt::format("{}: holds {} checkpoints: name one of {}", path, found.size(), fmt::join(names, ", ")));
}

LocatedInput located(Candidate& candidate, const Pipeline::Input& input, const std::string& path, unsigned threads,
                     std::vector<Dropped> passed_over = {}) {
    return {path, candidate.name, std::move(candidate.reader), request_for(input, path, threads),
            std::move(passed_over)};
}

void check_exists(const std::string& path) {
    check_is_path(path, "input");
    const PathKind kind = kind_of(path);
    if (kind == PathKind::nothing) throw Error(path + ": there is no such file or directory");
    if (kind == PathKind::other) throw Error(path + ": is neither a file nor a directory");
    if (::access(path.c_str(), R_OK) != 0) throw Error(path + ": may not be read: permission denied");
}

/// Refuses a link that leads out of the checkpoint: whether to follow it is for the user to say.
void check_no_link(const fs::path& directory) {
    if (lies_in(fs::canonical(directory), fs::canonical(directory.parent_path()))) return;
    throw Error(fmt::format("{}: is a link to '{}', outside the checkpoint: pass --assets {} if it is meant",
                            directory.string(), fs::canonical(directory).string(), directory.string()));
}

/// Whether its config.json is a model's: programs keep their own settings in files of that name too.
bool has_model_config(const fs::path& directory) {
    if (!has_model_file(directory, "config.json")) return false;
    const nlohmann::json config = read_json((directory / "config.json").string());
    return config.is_object() && (config.contains("model_type") || config.contains("architectures"));
}

/// The parent of `directory`; "." and "a/.." have one too.
fs::path parent_of(const fs::path& directory) {
    fs::path plain = directory.has_filename() ? directory : directory.parent_path();
    if (plain == "." || plain.filename() == "..") plain = fs::absolute(plain).lexically_normal();
    if (!plain.has_filename()) plain = plain.parent_path();
    return plain.parent_path();
}

/// The checkpoint's directory, the one that it lies in, and those above it up to what the user named.
std::vector<fs::path> around(const fs::path& base, const fs::path& named) {
    std::vector<fs::path> directories = {base, parent_of(base)};
    const fs::path top = fs::weakly_canonical(named);
    for (int level = 1; level < kLevelsBelow; ++level) {
        const fs::path below = fs::weakly_canonical(directories.back()).lexically_relative(top);
        if (below.empty() || below == "." || *below.begin() == "..") break;
        directories.push_back(parent_of(directories.back()));
    }
    return directories;
}

}  // namespace

void check_is_path(const std::string& path, std::string_view what) {
    std::string scheme;
    if (!re2::RE2::PartialMatch(path, "^([A-Za-z][A-Za-z0-9+.-]*)://", &scheme)) return;
    throw UsageError(
        fmt::format("{}: is the address of something elsewhere ({}://), the {} must be a path on this machine: "
                    "copy it there with the tool for {}",
                    path, scheme, what, scheme));
}

LocatedInput locate_input(const Pipeline::Input& input, const Plugins& plugins, unsigned threads) {
    check_exists(input.path);
    std::vector<Candidate> candidates = open_candidates(input, plugins);
    const BestReader here = surest_reader(candidates, input, input.path);
    if (here.score >= kSure) return located(*here.candidate, input, input.path, threads);
    std::vector<Found> found;
    Search search;
    if (has_directory(input.path)) found = checkpoints_below(input.path, candidates, input, search);
    if (here.candidate) found.insert(found.begin(), {input.path, here.candidate});
    std::vector<Dropped> passed_over;
    pass_over_states(found, input.path, passed_over);
    for (const std::string& path : search.closed) {
        passed_over.push_back(
            {fs::path(path).lexically_relative(input.path).string(), "a directory that may not be read"});
    }
    if (found.size() > 1) fail_several(input.path, found);
    if (found.size() == 1) {
        return located(*found.front().candidate, input, found.front().path.string(), threads, std::move(passed_over));
    }
    if (input.reader != "auto") return located(candidates.front(), input, input.path, threads);
    if (has_directory(input.path)) fail_nothing_found(input.path, plugins, search);
    const std::string seen = what_it_looks_like(input.path);
    throw Error(fmt::format("{}: is a file that no reader knows: {}", input.path,
                            seen.empty() ? "name the checkpoint's directory" : seen));
}

std::string locate_assets(const std::string& assets, const std::string& checkpoint, const std::string& named) {
    if (assets == "none") return "";
    if (assets != "auto") {
        if (!has_directory(assets)) throw Error(assets + ": is no directory: --assets names one with config.json");
        if (has_model_file(assets, "config.json")) return assets;
        throw Error(assets + ": has no config.json: name the directory that has one, or pass --assets none");
    }
    const fs::path base = has_directory(checkpoint) ? fs::path(checkpoint) : parent_of(checkpoint);
    if (has_model_file(base, "config.json")) return base.string();
    for (const fs::path& directory : around(base, named.empty() ? checkpoint : named)) {
        for (const std::string_view below : kAssetsDirectories) {
            if (!has_model_config(directory / below)) continue;
            check_no_link(directory / below);
            return (directory / below).string();
        }
        if (directory != base && has_model_config(directory)) return directory.string();
    }
    return "";
}

}  // namespace unshard
