// A data file is a sequence of blobs: first those of objects, then those of tensors, one for each chunk, each of them a
// torch.save archive of the bare local tensor. With SerializationFormat.SAFETENSORS the tensors are one safetensors
// file at the end instead, under their keys; for all of them the metadata states the offset where that file begins, and
// the bytes of the tensor alone as the length (_write_item and _write_files_from_queue in filesystem.py). Such a file
// holds only one chunk of a tensor: a second one replaces the first.

#include "stored_chunk.hpp"

#include "formats/safetensors/safetensors_shards.hpp"
#include "formats/torch/saved_file.hpp"
#include "formats/torch/tensor.hpp"
#include "packed_blob.hpp"

#include <fmt/format.h>

#include <utility>

namespace unshard::dcp {
namespace {

/// PyTorch writes one such part.
constexpr std::size_t kMaxParts = 16;

/// The most bytes of an archive beside the elements of its tensor: some 1500 are usual.
constexpr std::uint64_t kMaxAround = 1 << 20;

/// A safetensors file begins with the length of its header, less than 2^32, and the header with '{'.
bool is_safetensors(const InputFile& file, std::uint64_t offset) {
    if (file.bytes() - offset < 9) return false;
    const std::string head = file.read(offset, 9);
    return head.ends_with('{') && head.substr(4, 4) == std::string(4, '\0');
}

void check_same(const Tensor& tensor, const Chunk& chunk, DType dtype, const Dims& shape) {
    if (dtype == tensor.dtype && shape == chunk.box.extent) return;
    throw Error(fmt::format("the metadata says {} {}, stored is {} {}: files of different checkpoints are mixed",
                            to_string(tensor.dtype), to_string(chunk.box.extent), to_string(dtype), to_string(shape)));
}

}  // namespace

StoredChunk ChunkReader::read(const Tensor& tensor, const Chunk& chunk) {
    const Blob& blob = chunk.blob;
    if (blob.offset > file_.bytes() || blob.bytes > file_.bytes() - blob.offset) {
        throw Error(fmt::format("it needs {} bytes at {}, the file has {}: it is truncated or of another checkpoint",
                                blob.bytes, blob.offset, file_.bytes()));
    }
    if (blob.is_packed) return read_packed(tensor, chunk);
    if (is_safetensors(file_, blob.offset)) return {read_safetensors(tensor, chunk)};
    return {read_saved(file_, {blob.offset, blob.bytes}, tensor, chunk)};
}

StoredChunk ChunkReader::read_packed(const Tensor& tensor, const Chunk& chunk) const {
    const std::uint64_t elements = checked_mul(chunk.box.extent.numel(), size_of(tensor.dtype));
    const UnpackedEnds unpacked(file_, chunk.blob, checked_add(elements, kMaxAround));
    return {read_saved(unpacked, {0, unpacked.bytes()}, tensor, chunk), unpacked.bytes()};
}

Shard ChunkReader::read_saved(const ByteSource& file, torch::ByteRange range, const Tensor& tensor,
                              const Chunk& chunk) const {
    const torch::SavedFile saved(file, opaque_, range);
    torch::StridedTensor stored = torch::read_strided(saved, saved.values().root());
    check_same(tensor, chunk, stored.dtype, stored.spec.shape);
    stored.spec.origin = chunk.box.origin;
    return complete(std::move(stored));
}

Shard ChunkReader::read_safetensors(const Tensor& tensor, const Chunk& chunk) {
    const Part& part = part_at(chunk.blob.offset);
    const auto found = part.tensors.find(tensor.key);
    const auto origin = part.origins.find(tensor.key);
    if (found == part.tensors.end() || origin == part.origins.end()) {
        throw Error("the metadata says that it is there, the safetensors header does not have it");
    }
    const SafetensorsEntry& stored = found->second;
    if (stored.encoding) throw Error(fmt::format("pieces of type {} are not supported", stored.encoding->name));
    check_same(tensor, chunk, stored.dtype, stored.shape);
    if (origin->second != chunk.box.origin) {
        throw Error(
            fmt::format("stored is the chunk at {}, the metadata says {}: PyTorch keeps only the last of several in a "
                        "safetensors file",
                        to_string(origin->second), to_string(chunk.box.origin)));
    }
    return torch::shard_of(stored, 0, chunk.box.origin);
}

const ChunkReader::Part& ChunkReader::part_at(std::uint64_t offset) {
    const auto known = parts_.find(offset);
    if (known != parts_.end()) return known->second;
    if (parts_.size() == kMaxParts) throw Error("the file has more than 16 safetensors parts: it is damaged");
    SafetensorsHeader header = read_safetensors_header(file_, offset);
    auto origins = torch::read_sharding_info(header);
    Part part{.tensors = {}, .origins = std::move(origins).value_or(std::map<std::string, Dims>())};
    for (SafetensorsEntry& tensor : header.tensors) part.tensors.emplace(tensor.name, std::move(tensor));
    return parts_.emplace(offset, std::move(part)).first->second;
}

}  // namespace unshard::dcp
