#include "copy/scratch_file.hpp"

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

int open_scratch(const std::string& directory, std::uint64_t bytes) {
    int descriptor = ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor < 0) descriptor = open_and_unlink(directory);
    if (descriptor >= 0 && (bytes == 0 || claim_space(descriptor, bytes))) return descriptor;
    const int reason = errno;
    if (descriptor >= 0) ::close(descriptor);
    throw Error(fmt::format("{}: cannot have the {} bytes that the unpacked tensors need there for a while: {}",
                            directory, grouped(bytes), std::strerror(reason)));
}

}  // namespace

ScratchFile::ScratchFile(const std::string& directory, std::uint64_t bytes)
    : file_(open_scratch(directory, bytes), directory + ": unpacked tensors") {}

void ScratchFile::write(std::uint64_t offset, std::span<const std::byte> bytes) {
    if (write_at(file_.descriptor(), offset, bytes)) return;
    throw Error(fmt::format("{}: cannot write at byte {}: {}", file_.path(), grouped(offset), std::strerror(errno)));
}

}  // namespace unshard
