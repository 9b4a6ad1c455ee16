// A blob that was written through a compressing stream: torch.save's archive, packed.
#pragma once

#include "metadata.hpp"
#include "unshard/tools/input_file.hpp"

#include <cstdint>

namespace unshard::dcp {

/// Unpacks a blob, but keeps only the first and the last MiB, in which an archive has its pickle and directory. Between
/// them the result reads as zeros. Throws Error when the blob is damaged, truncated or more than `max_bytes`.
InputFile unpack_ends(const InputFile& file, const Blob& blob, std::uint64_t max_bytes);

}  // namespace unshard::dcp
