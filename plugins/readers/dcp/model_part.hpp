// Which part of a saved training state is the model.
#pragma once

#include "metadata.hpp"
#include "unshard/index.hpp"

#include <span>
#include <string>
#include <vector>

namespace unshard::dcp {

/// A tensor of the model: its key in the metadata, and its name, the path below the model's root.
struct ModelTensor {
    std::string key;
    std::string name;
};

struct ModelPart {
    std::string root;  ///< the keys that lead to the model, joined by '.'; empty: the top
    std::vector<ModelTensor> tensors;
    std::vector<Dropped> dropped;
};

/// The tensors below `wanted`, or, when it is "auto", those of the one part that looks like a model. Throws Error when
/// there is no such part or several: all are listed.
ModelPart find_model(std::span<const Entry> entries, const std::string& wanted);

}  // namespace unshard::dcp
