// Tensors that are made of parts of others: new boxes over the same shards.
#pragma once

#include "unshard/layout.hpp"
#include "unshard/plan.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace unshard {

/// What `part` (its view, box and axes) takes of a tensor, called `shape`: a tensor of the same name. The plan has
/// passed verify_plan. Throws Error when the part does not fit the tensor or its shape, or cannot be expressed in boxes
/// of the tensor's view.
PlannedTensor part_of(const PlannedTensor& tensor, const Placed& part, const Dims& shape);

/// So many rows (indices of the first dimension) of a tensor. Throws as part_of.
PlannedTensor rows_of(const PlannedTensor& tensor, std::uint64_t first, std::uint64_t count);

/// A tensor of one dimension less for each index of the first. Throws Error for a tensor without dimensions, or with
/// more rows than a model has layers or experts.
std::vector<PlannedTensor> unstack(const PlannedTensor& tensor);

/// Tensors of one shape become one with a dimension more in front. At least one is given, the result has the name of
/// the first. Throws Error when they differ in dtype, shape, in whether they are sums, or in their views.
PlannedTensor stack(std::span<const PlannedTensor> parts);

/// Tensors one after the other along an axis, in which their shapes may differ. As `stack`; their views must have the
/// axes up to this one as their shapes have them.
PlannedTensor concatenate(std::span<const PlannedTensor> parts, std::size_t axis = 0);

}  // namespace unshard
