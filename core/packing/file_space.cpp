#include "packing/file_space.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace unshard {

bool claim_space(int descriptor, std::uint64_t bytes) {
    const auto size = static_cast<off_t>(bytes);
    int result = 0;
    do {
        result = ::fallocate(descriptor, 0, 0, size);
    } while (result != 0 && errno == EINTR);
    if (result == 0) return true;
    const bool is_unsupported = errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL;
    return is_unsupported && ::ftruncate(descriptor, size) == 0;
}

bool write_at(int descriptor, std::uint64_t offset, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(n));
        offset += static_cast<std::uint64_t>(n);
    }
    return true;
}

}  // namespace unshard
