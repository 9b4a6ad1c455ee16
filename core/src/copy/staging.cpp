// Everything that a stage makes in the file system is made with the lock of `stages()` held, and listed there before.
// So the thread that waits for signals, once it has the lock, knows all there is to remove, and nothing is added to it.

#include "copy/staging.hpp"

#include "copy/output_path.hpp"
#include "copy/sources.hpp"
#include "packing/file_space.hpp"
#include "text/quantity.hpp"
#include "unshard/input_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <ranges>
#include <thread>
#include <utility>

namespace unshard {
namespace fs = std::filesystem;
namespace {

/// What is in the file system because of a stage that is not committed.
struct Leftovers {
    fs::path final;
    fs::path temporary;             ///< empty: not made yet
    std::vector<fs::path> parents;  ///< directories made to hold it, outermost first

    void remove() noexcept {
        std::error_code ignored;
        if (!temporary.empty()) fs::remove_all(temporary, ignored);
        for (const fs::path& p : std::views::reverse(parents)) ::rmdir(p.c_str());  // unless it holds more by now
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

[[noreturn]] void fail(const fs::path& path, std::string_view what) {
    throw Error(fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
}

void make_directory(const fs::path& path) {
    if (::mkdir(path.c_str(), 0777) != 0) fail(path, "cannot make this directory");
}

int make_file(const fs::path& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) fail(path, "cannot make this file");
    return fd;
}

}  // namespace

struct Stage::State {
    Leftovers leftovers;
    std::vector<std::string> names;  ///< what messages call the files
    std::vector<int> descriptors;
    bool force = false;
    bool committed = false;

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        for (const int fd : descriptors) ::close(fd);
        const std::lock_guard lock(stages().mutex);
        if (!committed) leftovers.remove();
        std::erase(stages().open, &leftovers);
    }

    void enlist();
    void make_parents();
    void name_temporary();
    void make_files(const Layout& layout);
    void make_file_of(const OutputFile& file, const fs::path& path);
    fs::path place_of(const std::string& name) const;
    void close_files();
    void rename_over_old(bool is_directory) const;
};

void Stage::State::enlist() {
    for (const Leftovers* other : stages().open) {
        if (other->final == leftovers.final) {
            throw Error(fmt::format("{}: two outputs have this path", leftovers.final.string()));
        }
    }
    stages().open.push_back(&leftovers);
}

void Stage::State::make_parents() {
    std::vector<fs::path> missing;
    std::error_code ignored;
    for (fs::path p = leftovers.final.parent_path(); !fs::exists(p, ignored) && p.has_relative_path();) {
        missing.push_back(p);
        p = p.parent_path();
    }
    for (const fs::path& p : std::views::reverse(missing)) {
        make_directory(p);
        leftovers.parents.push_back(p);
    }
}

/// A name beside the final one that is not taken: a crashed process of the same id may have left some.
void Stage::State::name_temporary() {
    static std::atomic<unsigned> number = 0;
    fs::path path;
    std::error_code ignored;
    do {
        path = leftovers.final.parent_path() /
               fmt::format(".{}.unshard-{}-{}", leftovers.final.filename().string(), ::getpid(), number++);
    } while (fs::exists(path, ignored));
    leftovers.temporary = path;
}

/// Where a file or asset is until commit. Makes its directory.
fs::path Stage::State::place_of(const std::string& name) const {
    const fs::path path = leftovers.temporary / name;
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (error) throw Error(fmt::format("{}: {}", path.parent_path().string(), error.message()));
    return path;
}

void Stage::State::make_file_of(const OutputFile& file, const fs::path& path) {
    const int fd = make_file(path);
    descriptors.push_back(fd);
    names.push_back((file.name.empty() ? leftovers.final : leftovers.final / file.name).string());
    if (file.bytes != 0 && !claim_space(fd, file.bytes)) {
        fail(names.back(), fmt::format("cannot have the {} bytes that it needs", grouped(file.bytes)));
    }
}

void Stage::State::make_files(const Layout& layout) {
    const bool is_one_file = layout.files.size() == 1 && layout.files.front().name.empty();
    std::error_code ignored;
    const fs::file_status old = fs::status(leftovers.final, ignored);
    if (fs::exists(old) && fs::is_directory(old) == is_one_file) {
        throw Error(fmt::format("{}: is a {}, the output is a {}: it is not replaced", leftovers.final.string(),
                                is_one_file ? "directory" : "file", is_one_file ? "file" : "directory"));
    }
    name_temporary();
    if (is_one_file) return make_file_of(layout.files.front(), leftovers.temporary);
    make_directory(leftovers.temporary);
    for (const OutputFile& file : layout.files) make_file_of(file, place_of(file.name));
}

/// Some file systems report at the close what they could not write.
void Stage::State::close_files() {
    for (std::size_t i = 0; i < descriptors.size(); ++i) {
        if (::close(std::exchange(descriptors[i], -1)) != 0) fail(names[i], "cannot write");
    }
}

/// A file takes the place of a file at once. A directory cannot: the old one steps aside, and back if that fails.
void Stage::State::rename_over_old(bool is_directory) const {
    const fs::path aside = leftovers.temporary.string() + "-old";
    if (is_directory && ::rename(leftovers.final.c_str(), aside.c_str()) != 0)
        fail(leftovers.final, "cannot replace it");
    if (::rename(leftovers.temporary.c_str(), leftovers.final.c_str()) != 0) {
        const int reason = errno;
        if (is_directory) ::rename(aside.c_str(), leftovers.final.c_str());
        errno = reason;
        fail(leftovers.final, "cannot give the output its name");
    }
    std::error_code ignored;
    if (is_directory) fs::remove_all(aside, ignored);
}

Stage::Stage(const std::string& output, const Layout& layout, bool force) : state_(std::make_unique<State>()) {
    raise_descriptor_limit();
    const std::lock_guard lock(stages().mutex);
    state_->force = force;
    state_->leftovers.final = final_path(output);
    check_replaceable(state_->leftovers.final, force);
    state_->enlist();
    state_->make_parents();
    state_->make_files(layout);
}

Stage::~Stage() = default;
Stage::Stage(Stage&&) noexcept = default;

void Stage::write(std::uint32_t file, std::uint64_t offset, std::span<const std::byte> bytes) {
    if (write_at(state_->descriptors[file], offset, bytes)) return;
    fail(state_->names[file], fmt::format("cannot write at byte {}", grouped(offset)));
}

std::string Stage::directory() const {
    return state_->leftovers.final.parent_path().string();
}

void Stage::add(const Asset& asset) {
    const std::lock_guard lock(stages().mutex);
    const InputFile source(asset.source);
    state_->make_file_of({asset.name, source.bytes()}, state_->place_of(asset.name));
    const auto file = static_cast<std::uint32_t>(state_->descriptors.size() - 1);
    std::vector<std::byte> buffer(std::min<std::uint64_t>(source.bytes(), 1 << 20));
    for (std::uint64_t at = 0; at < source.bytes(); at += buffer.size()) {
        const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), source.bytes() - at));
        source.read_at(at, part);
        write(file, at, part);
    }
}

void Stage::commit() {
    const std::lock_guard lock(stages().mutex);
    state_->close_files();
    const fs::path& final = state_->leftovers.final;
    check_replaceable(final, state_->force);
    std::error_code ignored;
    state_->rename_over_old(fs::is_directory(final, ignored));
    state_->committed = true;
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
    std::thread([caught] {
        int number = 0;
        ::sigwait(&caught, &number);
        stages().mutex.lock();  // for good: nothing is made or renamed from here on
        for (Leftovers* leftovers : stages().open) leftovers->remove();
        std::signal(number, SIG_DFL);
        ::pthread_sigmask(SIG_UNBLOCK, &caught, nullptr);
        std::raise(number);
    }).detach();
}

}  // namespace unshard
