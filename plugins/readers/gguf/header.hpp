// The header of a GGUF file: its keys, and where its tensors are.
#pragma once

#include "formats/gguf/types.hpp"
#include "gguf/values.hpp"
#include "unshard/dims.hpp"
#include "unshard/tools/input_file.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace unshard::gguf {

struct StoredTensor {
    std::string name;
    Dims shape;  ///< outermost first, as in PyTorch
    TypeInfo type{};
    std::uint64_t offset = 0;  ///< from the start of the file
    std::uint64_t bytes = 0;
};

struct Header {
    std::uint32_t version = 0;
    std::uint64_t alignment = 0;
    std::vector<KeyValue> keys;
    std::vector<StoredTensor> tensors;
    std::uint64_t bytes_behind = 0;  ///< in the file after the last tensor and its padding

    /// Null when it is not there.
    const KeyValue* find(std::string_view key) const;
    /// The value of an integer key, `fallback` when it is not there. Throws Error when it is negative or no integer.
    std::uint64_t number(std::string_view key, std::uint64_t fallback) const;
};

/// Versions 2 and 3, little-endian. Throws Error that names the file; whatever the file claims, memory is bounded by
/// its size.
Header read_header(const InputFile& file);

}  // namespace unshard::gguf
