// Read-only files by position. Never mapped: an I/O error is an errno and the resident set stays bounded.
#pragma once

#include "unshard/checked.hpp"

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

/// A regular file opened for reading. Any thread may call `read_at`.
class InputFile {
public:
    /// Throws Error when the path cannot be opened or is not a regular file.
    explicit InputFile(std::string path) : path_(std::move(path)) {
        fd_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd_ < 0) throw Error(path_ + ": cannot open: " + std::strerror(errno));
        look_at_file();
    }
    /// Takes over an open file, whose size is what it has now. `name` is for messages.
    InputFile(int descriptor, std::string name) : path_(std::move(name)), fd_(descriptor) { look_at_file(); }
    InputFile(InputFile&& other) noexcept
        : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)), bytes_(other.bytes_) {}
    InputFile& operator=(InputFile&&) = delete;
    InputFile(const InputFile&) = delete;
    InputFile& operator=(const InputFile&) = delete;
    ~InputFile() {
        if (fd_ >= 0) ::close(fd_);
    }

    const std::string& path() const { return path_; }
    std::uint64_t bytes() const { return bytes_; }
    int descriptor() const { return fd_; }

    /// Fills `into` from `offset` on. Throws Error when the file ends before, or on an I/O error.
    void read_at(std::uint64_t offset, std::span<std::byte> into) const {
        if (checked_add(offset, into.size()) > bytes_) {
            throw Error(path_ + ": ends at byte " + std::to_string(bytes_) + ", bytes " + std::to_string(offset) +
                        " to " + std::to_string(offset + into.size()) +
                        " are needed: the file is truncated or damaged");
        }
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

    /// `bytes` bytes from `offset` on. Checked against the file's size before anything is allocated.
    std::string read(std::uint64_t offset, std::uint64_t bytes) const {
        if (checked_add(offset, bytes) > bytes_) read_at(offset, {static_cast<std::byte*>(nullptr), bytes});
        std::string text(bytes, '\0');
        read_at(offset, std::as_writable_bytes(std::span(text)));
        return text;
    }

private:
    void look_at_file() {
        struct stat st{};
        if (::fstat(fd_, &st) != 0 || !S_ISREG(st.st_mode)) {
            ::close(fd_);
            throw Error(path_ + ": not a regular file");
        }
        bytes_ = static_cast<std::uint64_t>(st.st_size);
    }

    std::string path_;
    int fd_ = -1;
    std::uint64_t bytes_ = 0;
};

}  // namespace unshard
