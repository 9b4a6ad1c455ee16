// The types in which tensors are stored.
#pragma once

#include "unshard/dtype.hpp"
#include "unshard/plan.hpp"
#include "unshard/request.hpp"

#include <optional>
#include <string>
#include <vector>

namespace unshard::safetensors {

/// One for each tensor: its own, or `wanted`. As from_pretrained(dtype=...) does it, what the model's class keeps in
/// float32 is stored so whatever is asked for, with a word to `notes`.
std::vector<DType> stored_dtypes(const Plan& plan, std::optional<DType> wanted, const Request& request,
                                 std::vector<std::string>& notes);

}  // namespace unshard::safetensors
