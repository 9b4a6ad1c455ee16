// Values of classes that are not known, where weights are looked for.
#pragma once

#include "formats/torch/saved_tree.hpp"
#include "formats/torch/values.hpp"

#include <span>

namespace unshard::torch {

/// Throws Error when values of the state dict are of classes that are not known: they may be weights. It names all of
/// these classes, and how to leave the values out when there is no tensor in them.
void refuse_unknown_values(const Values& values, std::span<const Leaf> leaves);

/// Throws Error when the model seems to be an object of a class that is not known, such as a module that was saved
/// itself: it has a model's name, or no dictionary looks like a model, and there are tensors in it.
void refuse_hidden_model(const Values& values, const SavedTree& tree);

}  // namespace unshard::torch
