// Files that are open, of many: those that were used last.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

namespace unshard {

/// Any thread may use it. A file that makes room for another is closed by whoever uses it last.
template <class File>
class OpenFiles {
public:
    explicit OpenFiles(std::size_t most) : most_(most) {}

    /// The file of this number; `open()` makes it where it is not open. Throws what that throws.
    template <class Open>
    std::shared_ptr<File> get(std::size_t number, Open open) {
        std::shared_ptr<File> oldest;  // closed without the lock: that may take long
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
    std::mutex mutex_;  ///< of what follows
    std::map<std::size_t, Entry> files_;
    std::uint64_t uses_ = 0;
};

}  // namespace unshard
