// Read-only files by position. Never mapped: an I/O error is an errno and the resident set stays bounded.
#pragma once

#include "unshard/tools/checked.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

namespace unshard {

/// What tells a file from another of the same name, and from itself after it was written to.
struct FileStamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

inline FileStamp stamp_of(const struct stat& st) {
    const auto ns = [](const timespec& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
    return {st.st_dev, st.st_ino, ns(st.st_mtim), ns(st.st_ctim)};
}

/// Bytes that can be read by position: a file, or what a part of one unpacks to. Any thread may read.
class ByteSource {
public:
    virtual ~ByteSource() = default;

    std::uint64_t bytes() const { return bytes_; }
    /// Fills `into` from `offset` on. Throws Error when the source ends before, or on an I/O error.
    virtual void read_at(std::uint64_t offset, std::span<std::byte> into) const = 0;

    /// `bytes` bytes from `offset` on. Checked against the source's size before anything is allocated.
    std::string read(std::uint64_t offset, std::uint64_t bytes) const {
        if (checked_add(offset, bytes) > bytes_) read_at(offset, {static_cast<std::byte*>(nullptr), bytes});
        std::string text(bytes, '\0');
        read_at(offset, std::as_writable_bytes(std::span(text)));
        return text;
    }

protected:
    ByteSource() = default;
    explicit ByteSource(std::uint64_t bytes) : bytes_(bytes) {}

    /// Throws Error when such bytes are not there. `name` is the source's.
    void check_range(std::uint64_t offset, std::uint64_t count, const std::string& name) const {
        if (checked_add(offset, count) <= bytes_) return;
        throw Error(name + ": ends at byte " + std::to_string(bytes_) + ", bytes " + std::to_string(offset) + " to " +
                    std::to_string(offset + count) + " are needed: the file is truncated or damaged");
    }

    std::uint64_t bytes_ = 0;
};

/// A regular file opened for reading.
class InputFile : public ByteSource {
public:
    /// Throws Error when the path cannot be opened or is not a regular file. Does not wait for one: opening a pipe that
    /// nobody writes to would.
    explicit InputFile(std::string path) : path_(std::move(path)) {
        do {
            fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        } while (fd_ < 0 && errno == EINTR);
        if (fd_ < 0) throw Error(path_ + ": cannot open: " + std::strerror(errno));
        look_at_file();
    }
    /// Takes over an open file, whose size is what it has now. `name` is for messages.
    InputFile(int descriptor, std::string name) : path_(std::move(name)), fd_(descriptor) { look_at_file(); }
    InputFile(InputFile&& other) noexcept
        : ByteSource(other.bytes_),
          path_(std::move(other.path_)),
          fd_(std::exchange(other.fd_, -1)),
          stamp_(other.stamp_),
          mode_(other.mode_) {}
    InputFile& operator=(InputFile&&) = delete;
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;
    ~InputFile() override {
        if (fd_ >= 0) ::close(fd_);
    }

    const std::string& path() const { return path_; }
    const FileStamp& stamp() const { return stamp_; }
    mode_t mode() const { return mode_; }
    int descriptor() const { return fd_; }

    /// Throws Error when the file was written to since it was opened.
    void check_unchanged() const {
        struct stat now{};
        if (::fstat(fd_, &now) != 0) throw Error(path_ + ": cannot look at it: " + std::strerror(errno));
        if (stamp_of(now) == stamp_ && std::cmp_equal(now.st_size, bytes_)) return;
        throw Error(path_ + ": was changed while it was being read: convert it again when nothing writes to it");
    }

    void read_at(std::uint64_t offset, std::span<std::byte> into) const override {
        check_range(offset, into.size(), path_);
        while (!into.empty()) {
            const ssize_t n = ::pread(fd_, into.data(), into.size(), static_cast<off_t>(offset));
            if (n < 0 && errno == EINTR) continue;
            if (n < 0)
                throw Error(path_ + ": cannot read at byte " + std::to_string(offset) + ": " + std::strerror(errno));
            if (n == 0) throw Error(path_ + ": ended at byte " + std::to_string(offset) + " while it was being read");
            into = into.subspan(static_cast<std::size_t>(n));
            offset += static_cast<std::uint64_t>(n);
        }
    }

private:
    void look_at_file() {
        struct stat st{};
        const bool is_known = ::fstat(fd_, &st) == 0;
        const int reason = errno;
        if (is_known && S_ISREG(st.st_mode)) {
            bytes_ = static_cast<std::uint64_t>(st.st_size);
            stamp_ = stamp_of(st);
            mode_ = st.st_mode;
            return;
        }
        ::close(fd_);
        throw Error(path_ +
                    (is_known ? ": not a regular file" : std::string(": cannot look at it: ") + std::strerror(reason)));
    }

    std::string path_;
    int fd_ = -1;
    FileStamp stamp_;
    mode_t mode_ = 0;
};

}  // namespace unshard
