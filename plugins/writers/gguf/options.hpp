// The writer's options.
#pragma once

#include "file_types.hpp"
#include "unshard/request.hpp"
#include "writers/type_overrides.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace unshard::gguf {

struct WriterOptions {
    const FileType* file_type = nullptr;  ///< null: auto
    std::uint64_t max_shard_size = 0;     ///< bytes of tensors a file; 0: one file
    std::vector<TypeOverride<Type>> types;
    std::string pre;   ///< value of tokenizer.ggml.pre; empty: found out
    std::string name;  ///< value of general.name; empty: found out
};

/// Throws UsageError for unknown keys and bad values.
WriterOptions read_options(const Request& request);

}  // namespace unshard::gguf
