// Bytes in memory under a path, for readers that open files.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>
#include <string>

namespace unshard::test {

class MemoryFile {
public:
    explicit MemoryFile(const std::string& bytes) : fd_(::memfd_create("fuzz", MFD_CLOEXEC)) {
        const auto size = static_cast<ssize_t>(bytes.size());
        if (fd_ < 0 || ::write(fd_, bytes.data(), bytes.size()) != size) throw std::runtime_error("no memory file");
    }
    ~MemoryFile() { ::close(fd_); }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;

    std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

private:
    int fd_;
};

}  // namespace unshard::test
