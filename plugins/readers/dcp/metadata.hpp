// The metadata file of a torch.distributed.checkpoint: what was saved under which path, and where each chunk lies.
#pragma once

#include "files.hpp"
#include "formats/torch/model_part.hpp"
#include "formats/torch/values.hpp"
#include "unshard/dims.hpp"
#include "unshard/dtype.hpp"
#include "unshard/tools/input_file.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace unshard::dcp {

/// A saved value: a tensor, or any other object, which is saved as bytes.
struct Saved {
    std::string key;     ///< as the metadata calls it
    torch::Entry entry;  ///< its path is just `key` when it is not known
};

/// Where a chunk's bytes lie.
struct Blob {
    std::uint32_t file = 0;  ///< in a FileTable
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
    bool is_packed = false;  ///< with zstd
};

/// A box of a tensor that was saved in one piece.
struct Chunk {
    Box box;
    Blob blob;
};

struct Tensor {
    std::string key;
    std::string name;  ///< in the model
    DType dtype = DType::f32;
    Dims shape;
    std::vector<Chunk> chunks;  ///< none is empty, unless the tensor is
};

/// Numbers of tensors by key.
using TensorNumbers = std::unordered_map<std::string_view, std::size_t>;

class Metadata {
public:
    /// Throws Error when the file is not what PyTorch writes. `opaque`: classes to let through.
    Metadata(const InputFile& file, std::span<const std::string> opaque);

    std::vector<Saved> saved() const;

    /// Whether it is of PyTorch before 2.4, see split_order.hpp.
    bool is_before_strided_shards() const;

    /// Adds the chunks that this metadata has of each tensor in `wanted`, and sets dtype and shape where the tensor has
    /// no chunk yet. Throws Error that names the tensor when dtype or shape differ from those of another rank's
    /// metadata, or when chunks and their places in files do not match.
    void add_chunks(const TensorNumbers& wanted, std::vector<Tensor>& tensors, FileTable& files) const;

private:
    std::uint64_t bytes_ = 0;
    torch::Values values_;
};

}  // namespace unshard::dcp
