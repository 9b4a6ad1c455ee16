// torch.save writes the pickle first, then the tensor's bytes, then the directory; so the middle need not be kept. The
// unpacked archive is a file in memory with a hole, which takes no more memory than its ends.

#include "packed_blob.hpp"

#include "packing/file_space.hpp"
#include "packing/zstd.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

namespace unshard::dcp {
namespace {

constexpr std::size_t kEndBytes = 1 << 20;

/// The first and the last bytes of a stream.
struct Ends {
    std::string head, tail;

    void add(std::span<const std::byte> part) {
        const std::string_view text(reinterpret_cast<const char*>(part.data()), part.size());
        head += text.substr(0, kEndBytes - head.size());
        tail += text;
        if (tail.size() > 2 * kEndBytes) tail.erase(0, tail.size() - kEndBytes);
    }
};

/// A file descriptor that is closed unless it was released.
class MemoryFile {
public:
    MemoryFile() : descriptor_(::memfd_create("unshard", MFD_CLOEXEC)) {
        if (descriptor_ < 0) fail();
    }
    MemoryFile(const MemoryFile&) = delete;
    MemoryFile& operator=(const MemoryFile&) = delete;
    ~MemoryFile() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }

    void write(std::uint64_t offset, std::string_view bytes) {
        if (!write_at(descriptor_, offset, std::as_bytes(std::span(bytes)))) fail();
    }
    int release() { return std::exchange(descriptor_, -1); }

private:
    [[noreturn]] static void fail() { throw Error(std::string("no memory to unpack it: ") + std::strerror(errno)); }

    int descriptor_;
};

}  // namespace

InputFile unpack_ends(const InputFile& file, const Blob& blob, std::uint64_t max_bytes) {
    Ends ends;
    const std::uint64_t bytes =
        unpack_zstd(file, blob.offset, blob.bytes, max_bytes, [&](std::span<const std::byte> part) { ends.add(part); });
    MemoryFile memory;
    memory.write(0, ends.head);
    memory.write(bytes - ends.tail.size(), ends.tail);
    return {memory.release(), file.path()};
}

}  // namespace unshard::dcp
