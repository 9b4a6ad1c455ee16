// A rule allows several layouts; the number of rows that a rank holds shows which it is. A number that fits none is an
// error:
//
//     all rows of the whole tensor     it was not split after all, e.g. an embedding in training code that splits only
//                                      the layers
//     1/n of each section              the usual case
//     a unit of a section              fewer key/value heads than ranks: n / heads neighbours hold the same head
//
// "grouped" is Megatron's fused QKV: for each key/value head its query heads, then itself, then its value head; a rank
// holds a range of these groups. A padded vocabulary is cut at the size that config.json states.

#include "tensor_parallel/shares.hpp"

#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {
namespace {

/// Far more key/value heads than any model has; each becomes a run.
constexpr std::uint64_t kMostGroups = 1 << 16;

std::uint64_t total(const WholeTensor& whole) {
    return whole.shape.empty() ? 1 : whole.shape[whole.split_dim];
}

[[noreturn]] void fail(const WholeTensor& whole, const Share& share, const std::string& expected) {
    throw Error(
        fmt::format("a rank holds {} of {} rows of dimension {}; split '{}' over {} ranks {}: the rules, config.json "
                    "or the mesh are not this checkpoint's",
                    share.rows, total(whole), whole.split_dim, to_string(whole.split), share.ranks, expected));
}

std::vector<Run> all_rows(const WholeTensor& whole) {
    std::vector<Run> runs;
    std::uint64_t source = 0;
    for (std::size_t i = 0; i < whole.sections.size(); ++i) {
        runs.push_back({i, source, 0, whole.sections[i].size});
        source += whole.sections[i].size;
    }
    return runs;
}

std::vector<Run> vocabulary(const WholeTensor& whole, const Share& share) {
    const std::uint64_t held = checked_mul(share.rows, share.ranks);
    if (held < total(whole)) fail(whole, share, fmt::format("has only {}", held));
    const std::uint64_t first = share.rank * share.rows;
    if (first >= total(whole)) return {};
    return {{0, 0, first, std::min(share.rows, total(whole) - first)}};
}

/// How many rows of each section a rank holds; empty when they do not divide evenly.
std::vector<std::uint64_t> even_shares(const WholeTensor& whole, const Share& share) {
    std::vector<std::uint64_t> rows;
    for (const Section& section : whole.sections) {
        if (section.size % share.ranks != 0) return {};
        rows.push_back(section.size / share.ranks);
    }
    return rows;
}

/// The same in whole units, e.g. heads. Of a section with fewer units than ranks, several ranks hold the same unit.
std::vector<std::uint64_t> unit_shares(const WholeTensor& whole, const Share& share) {
    std::vector<std::uint64_t> rows;
    for (const Section& section : whole.sections) {
        if (section.unit == 0 || section.size == 0 || section.size % section.unit != 0) return {};
        const std::uint64_t units = section.size / section.unit;
        if (units % share.ranks != 0 && share.ranks % units != 0) return {};
        rows.push_back(section.unit * std::max<std::uint64_t>(units / share.ranks, 1));
    }
    return rows;
}

std::uint64_t sum(const std::vector<std::uint64_t>& rows) {
    std::uint64_t result = 0;
    for (const std::uint64_t n : rows) result += n;
    return result;
}

std::vector<Run> share_of_each(const WholeTensor& whole, const Share& share) {
    const std::vector<std::uint64_t> even = even_shares(whole, share);
    const std::vector<std::uint64_t> units = unit_shares(whole, share);
    const bool is_even = !even.empty() && sum(even) == share.rows;
    const bool is_by_unit = !units.empty() && sum(units) == share.rows;
    if (!is_even && !is_by_unit) {
        std::string expected = even.empty() ? "does not come out even" : fmt::format("gives {}", sum(even));
        if (!units.empty() && sum(units) != sum(even)) expected += fmt::format(", or {} with whole heads", sum(units));
        fail(whole, share, expected);
    }
    const std::vector<std::uint64_t>& rows = is_even ? even : units;
    std::vector<Run> runs;
    std::uint64_t source = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
        if (rows[i] == 0) continue;
        const std::uint64_t pieces = whole.sections[i].size / rows[i];
        runs.push_back({i, source, share.rank / (share.ranks / pieces) * rows[i], rows[i]});
        source += rows[i];
    }
    return runs;
}

std::vector<Run> grouped(const WholeTensor& whole, const Share& share) {
    const Section& last = whole.sections.back();
    const std::uint64_t groups = last.unit == 0 || last.size % last.unit != 0 ? 0 : last.size / last.unit;
    if (groups == 0 || groups > kMostGroups || groups % share.ranks != 0) {
        fail(whole, share, fmt::format("cannot distribute {} groups evenly", groups));
    }
    for (const Section& section : whole.sections) {
        if (section.size % groups == 0) continue;
        fail(whole, share, fmt::format("needs each section in {} groups, one has {} rows", groups, section.size));
    }
    if (share.rows != total(whole) / share.ranks)
        fail(whole, share, fmt::format("gives {}", total(whole) / share.ranks));
    const std::uint64_t held = groups / share.ranks;
    std::vector<Run> runs;
    std::uint64_t source = 0;
    for (std::uint64_t group = share.rank * held; group < (share.rank + 1) * held; ++group) {
        for (std::size_t i = 0; i < whole.sections.size(); ++i) {
            const std::uint64_t rows = whole.sections[i].size / groups;
            runs.push_back({i, source, group * rows, rows});
            source += rows;
        }
    }
    return runs;
}

}  // namespace

std::vector<Run> runs_of(const WholeTensor& whole, const Share& share) {
    const bool is_whole = share.rows == total(whole);
    switch (whole.split) {
        case Split::replicated:
            break;
        case Split::vocabulary:
            return is_whole ? all_rows(whole) : vocabulary(whole, share);
        // The groups are interleaved even where one rank holds all of them.
        case Split::grouped:
            return grouped(whole, is_whole ? Share{0, 1, share.rows} : share);
        case Split::column:
        case Split::row:
            return is_whole ? all_rows(whole) : share_of_each(whole, share);
    }
    if (!is_whole) fail(whole, share, "gives all");
    return all_rows(whole);
}

}  // namespace unshard
