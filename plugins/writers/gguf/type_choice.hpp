// Which type each tensor gets.
#pragma once

#include "container.hpp"
#include "options.hpp"

#include <span>
#include <string>
#include <vector>

namespace unshard::gguf {

/// What llama-quantize looks at besides a tensor's name and shape.
struct TypeChoiceModel {
    std::string arch;
    std::uint64_t layers = 0;
    std::uint64_t heads = 0;
    std::uint64_t kv_heads = 0;
    std::uint64_t experts = 0;  ///< 0: no mixture of experts
};

/// Sets the type of each tensor; those that are f32 whatever is asked for (norms, biases, routers) included. Tensors
/// are in the order in which llama-quantize counts them: see is_before. Warns where rows fit no block of the type
/// chosen.
void choose_types(std::span<TensorInfo> tensors, const FileType& file_type, const TypeChoiceModel& model,
                  std::span<const TypeOverride<Type>> overrides, std::vector<std::string>& warnings);

/// llama-quantize's order: tensors outside of layers first, then by layer; by name within.
bool is_before(const std::string& a, const std::string& b);

}  // namespace unshard::gguf
