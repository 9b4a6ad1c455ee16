// What a state dict holds beside tensors and plain values.
#pragma once

#include "formats/torch/values.hpp"

#include <span>
#include <utility>

namespace unshard::torch {

/// Throws Error when values of the state dict are of classes that are not known: they may be weights. It names all of
/// these classes, and how to leave the values out when there is no tensor in them.
void refuse_unknown_values(const Values& values, std::span<const std::pair<Ref, Ref>> items);

}  // namespace unshard::torch
