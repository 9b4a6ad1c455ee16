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

/// The place of a tensor in convert_hf_to_gguf.py's order: it takes the checkpoint's tensors by name, and writes
/// stacked experts after the last name of their layer.
struct Turn {
    std::string name;        ///< in the checkpoint, after which it is written
    std::string own;         ///< the last name that it is made of
    std::size_t target = 0;  ///< which of the tensors that are made of one name
    auto operator<=>(const Turn&) const = default;
};

struct MappedTensor {
    TensorInfo info;  ///< its type is not chosen here
    std::vector<TensorPart> parts;
    Turn turn;
    friend bool operator==(const MappedTensor& a, const MappedTensor& b) {
        return a.info == b.info && a.parts == b.parts;  // a turn is no part of the tensor
    }
};

struct TensorMap {
    std::vector<MappedTensor> tensors;  ///< in the converter's order
    std::vector<Dropped> dropped;
};

/// Throws Error that lists tensors that the model does not have, that are missing, or of a wrong shape.
TensorMap map_tensors(std::span<const PlannedTensor> plan, const FoundModel& model, const Values& values);

}  // namespace unshard::gguf
