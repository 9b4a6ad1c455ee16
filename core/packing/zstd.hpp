// Zstandard (RFC 8878).
#pragma once

#include "unshard/tools/input_file.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

namespace unshard {

/// Takes the next bytes of what is unpacked.
using UnpackedFn = std::function<void(std::span<const std::byte>)>;

/// Unpacks `bytes` bytes of a file from `offset` on, which must be whole frames, and returns how many bytes came out.
/// Memory: some MiB, whatever the frames say. Throws Error when they are damaged or truncated, or hold more than
/// `max_bytes`.
std::uint64_t unpack_zstd(const InputFile& file, std::uint64_t offset, std::uint64_t bytes, std::uint64_t max_bytes,
                          const UnpackedFn& use);

}  // namespace unshard
