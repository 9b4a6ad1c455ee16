// The writer's options.
#pragma once

#include "file_types.hpp"
#include "unshard/request.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace re2 {
class RE2;
}

namespace unshard::gguf {

/// Tensors whose GGUF name matches get this type, whatever the file type says. The first that matches counts.
struct TypeOverride {
    std::shared_ptr<const re2::RE2> match;  ///< found anywhere in the name
    Type type = Type::f32;
};

struct WriterOptions {
    const FileType* file_type = nullptr;  ///< null: auto
    std::uint64_t max_shard_size = 0;     ///< bytes of tensors a file; 0: one file
    std::vector<TypeOverride> types;
    std::string pre;   ///< value of tokenizer.ggml.pre; empty: found out
    std::string name;  ///< value of general.name; empty: found out
};

/// Throws UsageError for unknown keys and bad values.
WriterOptions read_options(const Request& request);

}  // namespace unshard::gguf
