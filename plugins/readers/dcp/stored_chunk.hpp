// A chunk of a tensor as it was saved: torch.save of one tensor, or a tensor in a safetensors part of the file.
#pragma once

#include "formats/safetensors/safetensors_header.hpp"
#include "formats/torch/zip_archive.hpp"
#include "metadata.hpp"
#include "unshard/index.hpp"
#include "unshard/tools/input_file.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace unshard::dcp {

/// Where a chunk's elements lie; the shard's `file` and `rank` are 0.
struct StoredChunk {
    Shard shard;
    std::uint64_t unpacked_bytes = 0;  ///< of a packed blob; the shard's offset then counts in these
};

/// Reads chunks of one data file.
class ChunkReader {
public:
    ChunkReader(const InputFile& file, std::span<const std::string> opaque) : file_(file), opaque_(opaque) {}

    /// Throws Error when what is stored is not what the metadata says, be it in shape, dtype or place.
    StoredChunk read(const Tensor& tensor, const Chunk& chunk);

private:
    /// A safetensors file inside the data file, and where its tensors begin in the whole ones.
    struct Part {
        std::map<std::string, SafetensorsEntry> tensors;
        std::map<std::string, Dims> origins;
    };

    Shard read_saved(const ByteSource& file, torch::ByteRange range, const Tensor& tensor, const Chunk& chunk) const;
    StoredChunk read_packed(const Tensor& tensor, const Chunk& chunk) const;
    Shard read_safetensors(const Tensor& tensor, const Chunk& chunk);
    const Part& part_at(std::uint64_t offset);

    const InputFile& file_;
    std::span<const std::string> opaque_;
    std::map<std::uint64_t, Part> parts_;  ///< by where they begin: one for a file that PyTorch wrote
};

}  // namespace unshard::dcp
