// From the tensors of a checkpoint to those of a GGUF file: names, shapes, and which elements go where.
#pragma once

#include "container.hpp"
#include "find_model.hpp"
#include "unshard/layout.hpp"

#include <span>
#include <string>
#include <vector>

namespace unshard::gguf {

/// What fills a run of a GGUF tensor's elements: a box of a planned tensor, its axes reordered.
struct TensorPart {
    std::uint32_t tensor = 0;  ///< into Plan::tensors
    Dims view;
    Box box;
    std::vector<std::uint32_t> axes;
    double add = 0;
    std::uint64_t first = 0;  ///< the first element that it fills
    friend bool operator==(const TensorPart&, const TensorPart&) = default;
};

struct MappedTensor {
    TensorInfo info;  ///< its type is not chosen here
    std::vector<TensorPart> parts;
    friend bool operator==(const MappedTensor&, const MappedTensor&) = default;
};

struct TensorMap {
    std::vector<MappedTensor> tensors;  ///< in llama-quantize's order
    std::vector<Dropped> dropped;
};

/// Throws Error that lists tensors that the model does not have, that are missing, or of a wrong shape.
TensorMap map_tensors(std::span<const PlannedTensor> plan, const FoundModel& model, const Values& values);

}  // namespace unshard::gguf
