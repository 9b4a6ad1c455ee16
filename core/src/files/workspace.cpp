// The lock is flock's on the file `lock` within: the kernel releases it however a process ends. Between making the
// directory and locking the file, another run may take the directory for that of a dead process and remove it; then it
// is made again.

#include "files/workspace.hpp"

#include "text/printable.hpp"
#include "unshard/tools/directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <ranges>
#include <string_view>
#include <utility>

namespace unshard {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxNameBytes = 255;
constexpr std::size_t kTailBytes = 48;  // ".unshard-PID-NUMBER", and a hash where the name is cut
constexpr int kMostAttempts = 100;

[[noreturn]] void fail(const fs::path& path, std::string_view what) {
    throw Error(fmt::format("{}: {}: {}", path.string(), what, std::strerror(errno)));
}

/// What the workspaces of an output begin with. A long name is cut, between characters, and told apart by its hash.
std::string prefix_of(const fs::path& output) {
    std::string name = output.filename().string();
    const std::size_t most = kMaxNameBytes - 1 - kTailBytes;
    if (name.size() > most) {
        const std::string hash = fmt::format("~{:016x}", std::hash<std::string>()(name));
        name = name.substr(0, whole_characters(name, most)) + hash;
    }
    return "." + name + ".unshard-";
}

bool is_workspace(std::string_view name, std::string_view prefix) {
    if (!name.starts_with(prefix)) return false;
    const std::string_view tail = name.substr(prefix.size());
    return !tail.empty() && tail.find_first_not_of("0123456789-") == std::string_view::npos;
}

/// The lock's descriptor when nobody else has it; -1 with errno otherwise.
int take_lock(const fs::path& directory, int flags) {
    const fs::path path = directory / "lock";
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags, 0600);
    if (descriptor < 0 || ::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return descriptor;
    const int reason = errno;
    ::close(descriptor);
    errno = reason;
    return -1;
}

bool remove_tree(const fs::path& path) noexcept {
    try {
        fs::remove_all(path);
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

/// If the process that made the workspace is gone, removes it and returns true. An old output that is still in it gets
/// its name back.
bool remove_if_dead(const fs::path& directory, const fs::path& output) {
    const int lock = take_lock(directory, 0);
    if (lock < 0) return errno == ENOENT && ::rmdir(directory.c_str()) == 0;  // killed, or about to make its lock
    if (is_there(directory / "old") && !is_there(output)) fs::rename(directory / "old", output);
    const bool is_removed = remove_tree(directory);
    ::close(lock);
    return is_removed;
}

}  // namespace

Workspace::~Workspace() {
    if (lock_ >= 0) ::close(lock_);
}

void Workspace::make_parents(const fs::path& output) {
    std::vector<fs::path> missing;
    for (fs::path p = output.parent_path(); kind_of(p) == PathKind::nothing && p.has_relative_path();) {
        missing.push_back(p);
        p = p.parent_path();
    }
    for (const fs::path& p : std::views::reverse(missing)) {
        if (::mkdir(p.c_str(), 0777) == 0) {
            parents_.push_back(p);
        } else if (errno != EEXIST && errno != ENOENT) {  // another run made it, or removed the one above
            fail(p, "cannot make this directory");
        }
    }
}

/// False when another run got in between.
bool Workspace::make_directory(const fs::path& output) {
    static std::atomic<unsigned> number = 0;
    const fs::path path = output.parent_path() / fmt::format("{}{}-{}", prefix_of(output), ::getpid(), number++);
    if (::mkdir(path.c_str(), 0700) != 0) {
        if (errno == EEXIST || errno == ENOENT) return false;
        fail(path, "cannot make this directory");
    }
    directory_ = path;
    lock_ = take_lock(path, O_CREAT);
    if (lock_ < 0 && (errno == ENOENT || errno == EWOULDBLOCK)) return false;
    const bool is_unsupported = errno == ENOLCK || errno == ENOTSUP || errno == ENOSYS || errno == EINVAL;
    if (lock_ < 0 && is_unsupported) return true;
    if (lock_ < 0) fail(path / "lock", "cannot make this file");
    struct stat found{};
    if (::fstat(lock_, &found) != 0) fail(path / "lock", "cannot look at this file");
    if (found.st_nlink != 0) return true;
    ::close(std::exchange(lock_, -1));
    return false;
}

void Workspace::make(const fs::path& output) {
    for (int attempt = 0; attempt < kMostAttempts; ++attempt) {
        make_parents(output);
        if (make_directory(output)) return;
        directory_.clear();
    }
    throw Error(fmt::format("{}: cannot make a directory beside it: other runs remove it", output.string()));
}

bool Workspace::remove() noexcept {
    if (directory_.empty()) return true;
    const bool is_removed = remove_tree(directory_);
    if (is_removed) directory_.clear();
    return is_removed;
}

void Workspace::remove_parents() noexcept {
    for (const fs::path& p : std::views::reverse(parents_)) ::rmdir(p.c_str());
}

std::vector<std::string> remove_dead_workspaces(const fs::path& output) {
    std::vector<std::string> removed;
    const fs::path parent = output.parent_path();
    if (::access(parent.c_str(), R_OK | W_OK | X_OK) != 0) return removed;
    const std::string prefix = prefix_of(output);
    for (const std::string& name : names_in(parent).value_or(std::vector<std::string>())) {
        const fs::path path = parent / name;
        if (is_workspace(name, prefix) && fs::is_directory(fs::symlink_status(path)) && remove_if_dead(path, output)) {
            removed.push_back(path.string());
        }
    }
    return removed;
}

}  // namespace unshard
