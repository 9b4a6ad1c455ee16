// The types in which tensors are stored.
#pragma once

#include "options.hpp"
#include "unshard/dtype.hpp"
#include "unshard/plan.hpp"
#include "unshard/request.hpp"

#include <string>
#include <vector>

namespace unshard::safetensors {

/// The dtype of each tensor in the file: its own, or what the options say. As with from_pretrained(dtype=...), tensors
/// that the model's class keeps in float32 are stored so unless `types` names them, which `notes` say.
std::vector<DType> stored_dtypes(const Plan& plan, const WriterOptions& options, const Request& request,
                                 std::vector<std::string>& notes);

}  // namespace unshard::safetensors
