#include "files/durable.hpp"

#include "unshard/tools/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace unshard {
namespace fs = std::filesystem;

bool close_file(int descriptor) noexcept {
    return ::close(descriptor) == 0 || errno == EINTR;
}

bool sync_file(int descriptor) noexcept {
    int result = 0;
    do {
        result = ::fsync(descriptor);
    } while (result != 0 && errno == EINTR);
    return result == 0 || errno == EINVAL || errno == EROFS || errno == ENOTSUP || errno == ENOSYS;
}

void sync_directory(const fs::path& directory) {
    const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool is_done = descriptor >= 0 && sync_file(descriptor);
    int reason = errno;
    if (descriptor < 0 && reason == EACCES) is_done = true;  // a directory that may be written to, not listed
    if (descriptor >= 0 && !close_file(descriptor) && is_done) {
        is_done = false;
        reason = errno;
    }
    if (is_done) return;
    throw Error(fmt::format("{}: cannot be written to the disk: {}", directory.string(), std::strerror(reason)));
}

void sync_directories(const fs::path& top) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(top)) {
        if (entry.is_directory() && !entry.is_symlink()) sync_directory(entry.path());
    }
    sync_directory(top);
}

}  // namespace unshard
