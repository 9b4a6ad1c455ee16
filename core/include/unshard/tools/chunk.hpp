// How PyTorch splits rows over ranks.
#pragma once

#include <algorithm>
#include <cstdint>

namespace unshard {

/// Rows [begin, end) of a tensor dimension.
struct Range {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::uint64_t size() const { return end - begin; }
    friend bool operator==(const Range&, const Range&) = default;
};

/// The `part`-th of `parts` chunks by the rule of torch.chunk: of ceil(n / parts) rows, the last one shorter, further
/// ones empty. DTensor and FSDP split so.
inline Range chunk_of(const Range& rows, std::uint64_t parts, std::uint64_t part) {
    const std::uint64_t all = rows.size();
    const std::uint64_t each = all / parts + (all % parts != 0);
    const std::uint64_t skipped = part != 0 && each > all / part ? all : each * part;
    return {rows.begin + skipped, rows.begin + skipped + std::min(each, all - skipped)};
}

}  // namespace unshard
