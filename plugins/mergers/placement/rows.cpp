#include "rows.hpp"

#include <algorithm>

namespace unshard {
namespace {

void append(Rows& rows, Range range) {
    if (range.begin == range.end) return;
    if (!rows.empty() && rows.back().end == range.begin) {
        rows.back().end = range.end;
    } else {
        rows.push_back(range);
    }
}

}  // namespace

std::uint64_t count(const Rows& rows) {
    std::uint64_t sum = 0;
    for (const Range& r : rows) sum += r.size();
    return sum;
}

Rows chunk(const Rows& rows, std::uint64_t parts, std::uint64_t part) {
    const auto [begin, end] = chunk_of({0, count(rows)}, parts, part);
    Rows result;
    std::uint64_t at = 0;
    for (const Range& r : rows) {
        const std::uint64_t next = at + r.size();
        const std::uint64_t from = std::clamp(begin, at, next), to = std::clamp(end, at, next);
        append(result, {r.begin + (from - at), r.begin + (to - at)});
        at = next;
    }
    return result;
}

Rows chunk_of_each(const Rows& rows, std::uint64_t factor, std::uint64_t parts, std::uint64_t part) {
    Rows taken;
    for (std::uint64_t piece = 0; piece < factor; ++piece) {
        for (const Range& r : chunk(chunk(rows, factor, piece), parts, part)) append(taken, r);
    }
    return taken;
}

}  // namespace unshard
