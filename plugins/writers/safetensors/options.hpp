// The writer's options.
#pragma once

#include "unshard/dtype.hpp"
#include "unshard/request.hpp"

#include <cstdint>
#include <optional>

namespace unshard::safetensors {

struct WriterOptions {
    std::optional<DType> dtype;        ///< what floating-point tensors become; none: they stay as they are
    std::uint64_t max_shard_size = 0;  ///< bytes of tensors a file
};

/// Throws UsageError for unknown keys and bad values.
WriterOptions read_options(const Request& request);

}  // namespace unshard::safetensors
