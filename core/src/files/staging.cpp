// Whatever a stage makes in the file system is entered in `stages()` first and made while its lock is held. So the
// thread that waits for signals, once it has the lock, knows all that it must remove, and nothing new is made.

#include "files/staging.hpp"

#include "files/durable.hpp"
#include "files/output_files.hpp"
#include "files/output_path.hpp"
#include "files/replace.hpp"
#include "files/workspace.hpp"
#include "unshard/tools/input_file.hpp"
#include "unshard/tools/model_directory.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <mutex>
#include <set>
#include <thread>

namespace unshard {
namespace fs = std::filesystem;
namespace {

/// What is in the file system because of a stage that is not committed.
struct Leftovers {
    fs::path final;
    Workspace workspace;
    bool holds_old = false;  ///< the workspace has the only copy of an old output

    void remove() noexcept {
        if (!holds_old) workspace.remove();
        workspace.remove_parents();
    }
};

struct Stages {
    std::mutex mutex;
    std::vector<Leftovers*> open;
};

/// Never destroyed: the signal thread may need it while the process exits.
Stages& stages() {
    static auto* const instance = new Stages;
    return *instance;
}

/// The mode of the source files for group and others, as far as `access` allows; the owner may read and write.
mode_t mode_within(mode_t access) {
    return (access & 0066U) | 0600U;
}

}  // namespace

struct Stage::State {
    Layout layout;  ///< only what files there are
    bool force;
    mode_t access;
    Leftovers leftovers;
    OutputFiles files;
    std::vector<std::string> removed;
    bool is_committed = false;

    State(const Layout& whole, bool force_, mode_t access_) : force(force_), access(access_) {
        layout.files = whole.files;
        layout.assets = whole.assets;
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        const std::lock_guard lock(stages().mutex);
        if (!is_committed) leftovers.remove();
        std::erase(stages().open, &leftovers);
    }

    void enlist();
    void make_files();
    std::size_t make_file(const OutputFile& file, mode_t mode);
    fs::path place_of(const std::string& name) const;
    Replacement replacement() const;
};

void Stage::State::enlist() {
    const fs::path& own = leftovers.final;
    for (const Leftovers* other : stages().open) {
        if (other->final == own) throw Error(fmt::format("{}: two outputs have this path", own.string()));
        if (!lies_in(own, other->final) && !lies_in(other->final, own)) continue;
        throw Error(fmt::format("{}: lies in or around another output, '{}': give each a path of its own", own.string(),
                                other->final.string()));
    }
    stages().open.push_back(&leftovers);
}

/// Where a file or asset is until commit. Makes its directory.
fs::path Stage::State::place_of(const std::string& name) const {
    const fs::path path = name.empty() ? leftovers.workspace.fresh() : leftovers.workspace.fresh() / name;
    fs::create_directories(path.parent_path());
    return path;
}

std::size_t Stage::State::make_file(const OutputFile& file, mode_t mode) {
    const std::string name = (file.name.empty() ? leftovers.final : leftovers.final / file.name).string();
    return files.add(place_of(file.name), name, file.bytes, mode_within(mode));
}

void Stage::State::make_files() {
    if (!is_one_file(layout)) fs::create_directory(leftovers.workspace.fresh());
    for (const OutputFile& file : layout.files) make_file(file, access);
}

Replacement Stage::State::replacement() const {
    const Workspace& workspace = leftovers.workspace;
    return {workspace.fresh(), leftovers.final, workspace.old()};
}

Stage::Stage(const std::string& output, const Layout& layout, bool force, mode_t access)
    : state_(std::make_unique<State>(layout, force, access)) {
    const std::lock_guard lock(stages().mutex);
    Leftovers& leftovers = state_->leftovers;
    leftovers.final = final_path(output);
    state_->removed = remove_dead_workspaces(leftovers.final);
    check_replaceable(leftovers.final, layout, force);
    state_->enlist();
    leftovers.workspace.make(leftovers.final);
    state_->make_files();
}

Stage::~Stage() = default;
Stage::Stage(Stage&&) noexcept = default;

void Stage::write(std::uint32_t file, std::uint64_t offset, std::span<const std::byte> bytes) {
    state_->files.write(file, offset, bytes);
}

std::string Stage::directory() const {
    return state_->leftovers.final.parent_path().string();
}

const std::vector<std::string>& Stage::removed() const {
    return state_->removed;
}

void Stage::add(const Asset& asset) {
    const std::lock_guard lock(stages().mutex);
    const InputFile source(asset.source);
    const std::size_t file = state_->make_file({asset.name, source.bytes()}, source.mode() & state_->access);
    std::vector<std::byte> buffer(std::min<std::uint64_t>(source.bytes(), 1 << 20));
    for (std::uint64_t at = 0; at < source.bytes(); at += buffer.size()) {
        const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), source.bytes() - at));
        source.read_at(at, part);
        state_->files.write(file, at, part);
    }
    source.check_unchanged();
}

namespace {

/// Undoes all replacements in reverse order. Returns where an old output is that could not be renamed back.
std::string undo(std::span<const Replacement> done, const std::vector<Leftovers*>& leftovers) {
    std::string text;
    for (std::size_t i = done.size(); i-- > 0;) {
        if (undo(done[i])) continue;
        leftovers[i]->holds_old = true;
        text += fmt::format("; '{}' could not be put back, it is in '{}'", done[i].name.string(),
                            leftovers[i]->workspace.directory().string());
    }
    return text;
}

void sync_parents(const Leftovers& leftovers) {
    std::set<fs::path> directories = {leftovers.final.parent_path()};
    for (const fs::path& made : leftovers.workspace.parents()) directories.insert(made.parent_path());
    for (const fs::path& directory : directories) sync_directory(directory);
}

/// All replacements, or none.
void replace_all(std::vector<Replacement>& wanted, const std::vector<Leftovers*>& leftovers, bool sync) {
    std::size_t done = 0;
    try {
        for (; done < wanted.size(); ++done) replace(wanted[done]);
        for (std::size_t i = 0; sync && i < leftovers.size(); ++i) sync_parents(*leftovers[i]);
    } catch (const std::exception& e) {
        if (done < wanted.size()) leftovers[done]->holds_old = wanted[done].is_aside;
        const std::string text = undo({wanted.data(), done}, leftovers);
        throw Error(e.what() + text);
    }
}

}  // namespace

std::vector<std::string> commit(std::span<Stage> all, bool sync) {
    const std::lock_guard lock(stages().mutex);
    std::vector<Replacement> wanted;
    std::vector<Leftovers*> leftovers;
    for (const Stage& stage : all) {
        Stage::State& state = *stage.state_;
        state.files.finish(sync);
        if (sync && !is_one_file(state.layout)) sync_directories(state.leftovers.workspace.fresh());
        wanted.push_back(state.replacement());
        leftovers.push_back(&state.leftovers);
    }
    for (const Stage& stage : all) {
        const Stage::State& state = *stage.state_;
        check_replaceable(state.leftovers.final, state.layout, state.force);
    }
    replace_all(wanted, leftovers, sync);
    std::vector<std::string> left;
    for (const Stage& stage : all) {
        stage.state_->is_committed = true;
        std::erase(stages().open, &stage.state_->leftovers);
    }
    for (Leftovers* output : leftovers) {
        if (!output->workspace.remove()) left.push_back(output->workspace.directory().string());
    }
    return left;
}

void remove_stages_on_signal() {
    std::signal(SIGXFSZ, SIG_IGN);
    sigset_t caught;
    sigemptyset(&caught);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
        struct sigaction now{};
        ::sigaction(number, nullptr, &now);
        if (now.sa_handler != SIG_IGN) sigaddset(&caught, number);
    }
    ::pthread_sigmask(SIG_BLOCK, &caught, nullptr);  // and so in all threads that are started from here on
    const auto wait = [caught] {
        int number = 0;
        ::sigwait(&caught, &number);
        stages().mutex.lock();  // never unlocked: nothing is made or renamed any more
        for (Leftovers* leftovers : stages().open) leftovers->remove();
        std::signal(number, SIG_DFL);
        ::pthread_sigmask(SIG_UNBLOCK, &caught, nullptr);
        std::raise(number);
    };
    try {
        std::thread(wait).detach();
    } catch (const std::exception&) {
        ::pthread_sigmask(SIG_UNBLOCK, &caught, nullptr);
    }
}

}  // namespace unshard
