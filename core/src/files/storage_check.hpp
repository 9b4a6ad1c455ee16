// Computes a storage's checksum while it is copied, to compare it with the one that its file states.
#pragma once

#include "unshard/tools/input_file.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>

namespace unshard {

/// A storage is read in parts and in any order. Each part is summed when it is read; at the end parts that nobody read
/// are read, and all sums are combined.
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
