// Files that are written to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace unshard {

/// Gives a file its full size. The space is claimed where the file system can do that, so that a full disk is found out
/// now and not at the end. Returns false, with errno, when it cannot be had.
bool claim_space(int descriptor, std::uint64_t bytes);

/// Writes all of `bytes` at `offset`. Returns false, with errno, when that fails.
bool write_at(int descriptor, std::uint64_t offset, std::span<const std::byte> bytes);

}  // namespace unshard
