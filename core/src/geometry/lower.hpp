// Turns the merger's boxes and the writer's Placed into what the copy pass works on: contiguous destinations, each
// filled from boxes.
#pragma once

#include "unshard/layout.hpp"

#include <cstdint>
#include <vector>

namespace unshard {

/// A contiguous run of bytes in an output file: `dims` elements, row-major from `offset` on. It is one Placed after its
/// view, box and axis order were applied; boxes of the copies refer to `dims`. Axes of `dims` may be joined or split,
/// as long as the elements and their order are the same.
struct Destination {
    std::uint32_t tensor = 0;  ///< into Plan::tensors
    std::uint32_t file = 0;    ///< into Layout::files
    std::uint64_t offset = 0;
    Dims dims;
    std::uint64_t row_elems = 1;  ///< the last dimension of the Placed: blocks do not cross its end
    std::vector<Copy> copies;     ///< none empty; in the order in which they begin
    std::vector<Copy> replicas;   ///< likewise
    Encoding encoding;
    std::uint32_t encoding_number = 0;  ///< into Layout::encodings
    double add = 0;
};

/// A part of a tensor in its written order: boxes of the copies refer to `dims`.
struct Lowered {
    Dims dims;
    std::vector<Copy> copies;
    std::vector<Copy> replicas;
};

/// What `placed` (its view, box and axes, which fit the tensor) takes of a tensor; it has elements. Throws Error when
/// that cannot be expressed in boxes of the tensor's view.
Lowered lower(const PlannedTensor& tensor, const Placed& placed);

/// One destination for each placed tensor. The plan has passed verify_plan; nothing is assumed of the layout.
/// Throws Error when a placement makes no sense, or when its view cannot be expressed in boxes of the merger's view.
std::vector<Destination> lower(const Plan& plan, const Layout& layout);

}  // namespace unshard
