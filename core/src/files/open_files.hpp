// Of many files keeps those open that were used last.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace unshard {

/// How many files one side of a copy, reading or writing, keeps open: a checkpoint and a model may have hundreds.
/// Raises the process's limit of open files as far as the system allows.
std::size_t most_open_files();

/// Any thread may use it. A file that was displaced is closed when its last user is done with it.
template <class File>
class OpenFiles {
public:
    explicit OpenFiles(std::size_t most) : most_(most) {}

    /// The file with this number; `open()` opens it if it is not open. Throws what that throws.
    template <class Open>
    std::shared_ptr<File> get(std::size_t number, Open open) {
        std::shared_ptr<File> oldest;  // destroyed without the lock, since closing may take long
        const std::lock_guard lock(mutex_);
        auto found = files_.find(number);
        if (found == files_.end()) {
            std::shared_ptr<File> file = open();
            if (files_.size() >= most_) oldest = take_oldest();
            found = files_.emplace(number, Entry{std::move(file), 0}).first;
        }
        found->second.last_use = ++uses_;
        return found->second.file;
    }

    void close_all() noexcept {
        std::map<std::size_t, Entry> closing;
        const std::lock_guard lock(mutex_);
        closing.swap(files_);
    }

private:
    struct Entry {
        std::shared_ptr<File> file;
        std::uint64_t last_use = 0;
    };

    std::shared_ptr<File> take_oldest() {
        const auto oldest = std::min_element(files_.begin(), files_.end(), [](const auto& a, const auto& b) {
            return a.second.last_use < b.second.last_use;
        });
        std::shared_ptr<File> file = std::move(oldest->second.file);
        files_.erase(oldest);
        return file;
    }

    std::size_t most_;  ///< at least 1
    std::mutex mutex_;  ///< guards the members below
    std::map<std::size_t, Entry> files_;
    std::uint64_t uses_ = 0;
};

}  // namespace unshard
