// The writer's options.
#pragma once

#include "unshard/dtype.hpp"
#include "unshard/request.hpp"
#include "writers/type_overrides.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace unshard::safetensors {

/// What a floating-point tensor becomes; none: it stays as it is.
using WantedDType = std::optional<DType>;

struct WriterOptions {
    WantedDType dtype;
    std::vector<TypeOverride<WantedDType>> types;
    std::uint64_t max_shard_size = 0;  ///< bytes of tensors a file
};

/// Throws UsageError for unknown keys and bad values.
WriterOptions read_options(const Request& request);

}  // namespace unshard::safetensors
