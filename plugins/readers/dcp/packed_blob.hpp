// A blob that was written through a compressing stream: torch.save's archive, packed.
#pragma once

#include "metadata.hpp"
#include "unshard/tools/input_file.hpp"

#include <cstdint>
#include <string>

namespace unshard::dcp {

/// An unpacked blob, of which only the first and the last MiB are kept: an archive has its pickle and its directory
/// there. What lies between them reads as zeros.
class UnpackedEnds : public ByteSource {
public:
    /// Throws Error when the blob is damaged, truncated or more than `max_bytes`.
    UnpackedEnds(const InputFile& file, const Blob& blob, std::uint64_t max_bytes);

    void read_at(std::uint64_t offset, std::span<std::byte> into) const override;

private:
    void add(std::span<const std::byte> part);

    std::string path_;  ///< of the file that the blob is in
    std::string head_, tail_;
};

}  // namespace unshard::dcp
