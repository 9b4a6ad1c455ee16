// How ranks are numbered: an array of named axes, the last one counting fastest.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unshard {

/// E.g. "dp=2,pp=1,tp=4": rank 5 has dp 1, pp 0, tp 1. The axes: tp splits tensors; ep distributes experts over ranks,
/// pp layers; along dp and cp ranks hold copies.
class RankMesh {
public:
    /// At most one axis can go without a size: it takes what the others leave of `ranks`. Throws UsageError.
    RankMesh(std::string_view text, std::uint64_t ranks);

    std::uint64_t ranks() const { return ranks_; }
    /// 1 for an axis that the mesh does not have.
    std::uint64_t size(std::string_view axis) const;
    /// The coordinate of a rank on an axis; 0 when the mesh does not have it.
    std::uint64_t coordinate(std::string_view axis, std::uint64_t rank) const;

private:
    struct Axis {
        std::string name;
        std::uint64_t size = 0;
    };
    std::uint64_t ranks_ = 0;
    std::vector<Axis> axes_;
};

}  // namespace unshard
