#include "files/scratch_file.hpp"

#include "packing/file_space.hpp"
#include "text/quantity.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace unshard {
namespace {

/// For file systems without O_TMPFILE.
int open_and_unlink(const std::string& directory) {
    std::string path = directory + "/.unshard-XXXXXX";
    const int descriptor = ::mkostemp(path.data(), O_CLOEXEC);
    if (descriptor >= 0) ::unlink(path.c_str());
    return descriptor;
}

/// -1 with errno when it cannot be had.
int open_scratch(const std::string& directory, std::uint64_t bytes) {
    int descriptor = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor < 0) descriptor = open_and_unlink(directory);
    if (descriptor < 0 || bytes == 0 || claim_space(descriptor, bytes)) return descriptor;
    const int reason = errno;
    ::close(descriptor);
    errno = reason;
    return -1;
}

}  // namespace

ScratchFile::ScratchFile(const std::vector<std::string>& directories, std::uint64_t bytes) {
    std::string reasons;
    for (const std::string& directory : directories) {
        const int descriptor = open_scratch(directory, bytes);
        if (descriptor >= 0) {
            file_ = std::make_shared<const InputFile>(descriptor, directory + ": unpacked tensors");
            return;
        }
        const std::string reason = std::strerror(errno);
        reasons += reasons.empty() ? reason : fmt::format("; {}: {}", directory, reason);
    }
    throw Error(fmt::format("{}: cannot have the {} bytes that the unpacked tensors need there for a while: {}",
                            directories.front(), grouped(bytes), reasons));
}

void ScratchFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
    if (write_at(file_->descriptor(), offset, bytes)) return;
    throw Error(fmt::format("{}: cannot write at byte {}: {}", file_->path(), grouped(offset), std::strerror(errno)));
}

}  // namespace unshard
