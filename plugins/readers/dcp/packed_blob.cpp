// torch.save writes the pickle first, then the tensor's bytes, then the directory; so the middle need not be kept.

#include "packed_blob.hpp"

#include "packing/zstd.hpp"

#include <algorithm>
#include <cstring>

namespace unshard::dcp {
namespace {

constexpr std::size_t kEndBytes = 1 << 20;

/// Copies what `part`, which begins at `begin`, has of the bytes from `offset` on.
void copy_overlap(std::string_view part, std::uint64_t begin, std::uint64_t offset, std::span<std::byte> into) {
    const std::uint64_t from = std::max(begin, offset);
    const std::uint64_t to = std::min(begin + part.size(), offset + into.size());
    if (from < to) std::memcpy(&into[from - offset], &part[from - begin], to - from);
}

}  // namespace

UnpackedEnds::UnpackedEnds(const InputFile& file, const Blob& blob, std::uint64_t max_bytes) : path_(file.path()) {
    bytes_ = unpack_zstd(file, blob.offset, blob.bytes, max_bytes, [&](std::span<const std::byte> part) { add(part); });
}

void UnpackedEnds::add(std::span<const std::byte> part) {
    const std::string_view text(reinterpret_cast<const char*>(part.data()), part.size());
    head_ += text.substr(0, kEndBytes - head_.size());
    tail_ += text;
    if (tail_.size() > 2 * kEndBytes) tail_.erase(0, tail_.size() - kEndBytes);
}

void UnpackedEnds::read_at(std::uint64_t offset, std::span<std::byte> into) const {
    check_range(offset, into.size(), path_);
    std::ranges::fill(into, std::byte{0});
    copy_overlap(head_, 0, offset, into);
    copy_overlap(tail_, bytes_ - tail_.size(), offset, into);
}

}  // namespace unshard::dcp
