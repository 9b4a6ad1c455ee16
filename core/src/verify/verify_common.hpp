// What the verify passes share.
#pragma once

#include "unshard/dims.hpp"
#include "verify/problems.hpp"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

namespace unshard {

/// Adds a problem for each tensor name that is empty, too long, not printable, or was there before.
class NameCheck {
public:
    explicit NameCheck(Problems& problems) : problems_(problems) {}
    void operator()(const std::string& name, std::size_t number);

private:
    Problems& problems_;
    std::set<std::string_view> seen_;
};

/// Throws Error unless a walk of `extent` steps, `first` elements into a storage of `storage_bytes`, stays inside it.
void check_walk(std::uint64_t first, const Dims& extent, const Dims& stride, std::uint64_t elem_bytes,
                std::uint64_t storage_bytes);

}  // namespace unshard
