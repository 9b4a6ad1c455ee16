// Brings the merger's boxes and the writer's placement together, so that the copy pass knows one thing only:
// contiguous destinations, each filled from boxes.
#pragma once

#include "unshard/layout.hpp"

#include <cstdint>
#include <vector>

namespace unshard {

/// A contiguous run of bytes in an output file: `dims` elements row-major from `offset` on. Boxes of the copies refer
/// to `dims`, after the placement's view, box and axis order were applied. `dims` has the elements of what is placed in
/// their order; its axes may be split or joined otherwise.
struct Destination {
    std::uint32_t tensor = 0;  ///< into Plan::tensors
    std::uint32_t file = 0;    ///< into Layout::files
    std::uint64_t offset = 0;
    Dims dims;
    std::uint64_t row_elems = 1;  ///< the last dimension of what is placed: blocks do not cross its end
    std::vector<Copy> copies;     ///< none empty; in the order in which they begin
    std::vector<Copy> replicas;   ///< likewise
    Encoding encoding;
    double add = 0;
};

/// One destination for each placed tensor. The plan has passed verify_plan; nothing is assumed of the layout.
/// Throws Error when a placement makes no sense, or when its view cannot be expressed in boxes of the merger's view.
std::vector<Destination> lower(const Plan& plan, const Layout& layout);

}  // namespace unshard
