#include "files/storage_check.hpp"

#include <libdeflate.h>
#include <zlib.h>

#include <algorithm>
#include <vector>

namespace unshard {
namespace {

/// Smaller parts are not summed: reading them again at the end, together with their neighbours, is faster.
constexpr std::uint64_t kLeastPart = 32 << 10;
constexpr std::uint64_t kReadBytes = 1 << 20;

std::uint32_t sum_of_rest(std::uint32_t sum, const InputFile& file, std::uint64_t at, std::uint64_t end) {
    std::vector<std::byte> buffer(std::min(kReadBytes, end - at));
    while (at < end) {
        const auto part = std::span(buffer).first(std::min<std::uint64_t>(buffer.size(), end - at));
        file.read_at(at, part);
        sum = libdeflate_crc32(sum, part.data(), part.size());
        at += part.size();
    }
    return sum;
}

}  // namespace

/// False when some of these bytes were summed already.
bool StorageCheck::claim(std::uint64_t begin, std::uint64_t end) {
    const std::lock_guard lock(mutex_);
    const auto next = parts_.lower_bound(begin);
    if (next != parts_.end() && next->first < end) return false;
    if (next != parts_.begin() && std::prev(next)->second.end > begin) return false;
    parts_.emplace_hint(next, begin, Part{end, 0});
    return true;
}

void StorageCheck::take(std::uint64_t offset, std::span<const std::byte> bytes) {
    if (bytes.size() < std::min(kLeastPart, bytes_) || bytes.empty()) return;
    if (!claim(offset, offset + bytes.size())) return;
    const std::uint32_t sum = libdeflate_crc32(0, bytes.data(), bytes.size());
    const std::lock_guard lock(mutex_);
    parts_[offset].sum = sum;
}

std::uint32_t StorageCheck::finish(const InputFile& file, std::uint64_t begin) const {
    std::uint32_t sum = 0;
    std::uint64_t at = 0;
    for (const auto& [offset, part] : parts_) {
        sum = sum_of_rest(sum, file, begin + at, begin + offset);
        const auto length = static_cast<z_off_t>(part.end - offset);
        sum = static_cast<std::uint32_t>(crc32_combine(sum, part.sum, length));
        at = part.end;
    }
    return sum_of_rest(sum, file, begin + at, begin + bytes_);
}

}  // namespace unshard
