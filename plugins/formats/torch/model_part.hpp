// Which part of a saved training state is the model.
#pragma once

#include "unshard/index.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace unshard::torch {

/// The most bytes of all paths. In the pickle paths share their keys, here each has copies; only in a hostile file
/// these take more memory than the file.
inline constexpr std::uint64_t kPathBudget = 64 << 20;

/// A saved value: a tensor, or any other object.
struct Entry {
    std::vector<std::string> path;  ///< the keys that lead to it in the saved object
    bool is_tensor = false;
    bool is_weight = false;  ///< a tensor of floating-point numbers with at least one dimension
    std::string kind = {};   ///< of what is no tensor, "an integer"; empty when that is not known
};

/// A tensor of the model: its number among the entries, and its name, the path below the model's root.
struct ModelTensor {
    std::size_t entry = 0;
    std::string name;
};

struct ModelPart {
    std::string root;  ///< the keys that lead to the model, joined by '.'; empty: the top
    std::vector<ModelTensor> tensors = {};
    std::vector<std::size_t> others = {};  ///< entries of the model that are no tensors
    std::vector<Dropped> dropped = {};
};

/// Whether any part looks like a model.
bool has_model(std::span<const Entry> entries);

/// The root that is to be found.
inline constexpr const char* kAutoRoot = "auto";

/// The tensors below `wanted`, or, when it is kAutoRoot, those of the one part that looks like a model. Throws Error when
/// there is no such part or several: all are listed.
ModelPart find_model(std::span<const Entry> entries, const std::string& wanted);

}  // namespace unshard::torch
