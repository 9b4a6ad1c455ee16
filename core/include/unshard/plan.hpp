// How a merger puts whole tensors together: destination boxes, each filled by a strided walk through a shard.
#pragma once

#include "unshard/index.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace unshard {

/// Element (origin + i) of the destination's view takes element `first + sum(i * stride)` of the shard's storage.
struct Copy {
    std::uint32_t tensor = 0;  ///< into CheckpointIndex::tensors
    std::uint32_t shard = 0;   ///< into that tensor's shards
    std::uint64_t first = 0;   ///< elements from the start of the storage
    Dims stride;               ///< elements, one for each dimension of the view
    Box box;                   ///< in the destination's view
    friend bool operator==(const Copy&, const Copy&) = default;
};

/// A whole tensor of the output.
struct PlannedTensor {
    std::string name;
    DType dtype = DType::f32;  ///< of all its sources
    Dims shape;
    Dims view;  ///< same elements in the same order, other shape; what the boxes refer to. Usually == shape
    std::vector<Copy> copies;     ///< cover the view, each element once; those of a sum as often as it has terms
    std::vector<Copy> replicas;   ///< hold the same bits as what `copies` give; compared, not written
    bool replicas_stated = true;  ///< the format says that they are replicas; otherwise they are always compared
    bool is_sum = false;          ///< copies are added up, in f32 or wider, and divided by `divisor` at the end
    std::uint64_t divisor = 1;
    friend bool operator==(const PlannedTensor&, const PlannedTensor&) = default;
};

struct Plan {
    std::vector<PlannedTensor> tensors;
    std::vector<Dropped> dropped;
    std::vector<std::string> warnings;
    friend bool operator==(const Plan&, const Plan&) = default;
};

}  // namespace unshard
