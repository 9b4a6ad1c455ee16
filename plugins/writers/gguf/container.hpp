// The GGUF container, version 3: what stands in front of the tensors, and where each of them begins.
#pragma once

#include "formats/gguf/format.hpp"
#include "formats/gguf/key_values.hpp"
#include "formats/gguf/types.hpp"
#include "unshard/dims.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace unshard::gguf {

struct TensorInfo {
    std::string name;
    Dims shape;  ///< outermost first, as in PyTorch; the file has them the other way round
    Type type = Type::f32;
    friend bool operator==(const TensorInfo&, const TensorInfo&) = default;
};

/// Bytes of `elems` elements; whole blocks.
std::uint64_t stored_bytes(Type type, std::uint64_t elems);
std::uint64_t stored_bytes(const TensorInfo& tensor);

/// Throws Error when a name is empty, too long or there twice, or a rank is too high.
void check_tensors(std::span<const TensorInfo> tensors);

struct FileParts {
    std::string header;                  ///< padded to the alignment
    std::vector<std::uint64_t> offsets;  ///< of the tensors, from the start of the file
    std::uint64_t bytes = 0;             ///< of the file; padding follows each tensor, also the last
    friend bool operator==(const FileParts&, const FileParts&) = default;
};

/// The tensors lie behind the header in the order given.
FileParts file_parts(const KeyValues& metadata, std::span<const TensorInfo> tensors);

/// Which tensors each file takes when none may hold more than `limit` bytes of them (0: all in one): in order, a new
/// file when the next tensor does not fit, as convert_hf_to_gguf.py --split-max-size counts.
std::vector<std::vector<std::size_t>> split_by_size(std::span<const TensorInfo> tensors, std::uint64_t limit);

}  // namespace unshard::gguf
