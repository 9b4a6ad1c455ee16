// A storage's bytes against the checksum that its file states for them, while they are copied.
#pragma once

#include "unshard/tools/input_file.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>

namespace unshard {

/// What is read of a storage in any order, and in parts, is summed up as it comes by; the parts' sums are combined at
/// the end, when the rest is read.
class StorageCheck {
public:
    explicit StorageCheck(std::uint64_t bytes) : bytes_(bytes) {}

    /// Bytes that were read, `offset` bytes into the storage. Any thread.
    void take(std::uint64_t offset, std::span<const std::byte> bytes);

    /// The checksum of all bytes of the storage, which begins at `begin` of the file. Throws Error on an I/O error.
    std::uint32_t finish(const InputFile& file, std::uint64_t begin) const;

private:
    struct Part {
        std::uint64_t end = 0;
        std::uint32_t sum = 0;
    };

    bool claim(std::uint64_t begin, std::uint64_t end);

    std::uint64_t bytes_;
    std::mutex mutex_;
    std::map<std::uint64_t, Part> parts_;  ///< by where they begin; they do not overlap
};

}  // namespace unshard
