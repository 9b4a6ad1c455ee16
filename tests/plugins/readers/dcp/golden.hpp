// Golden checkpoints through a reader, put together element by element.
#pragma once

#include "formats/safetensors/safetensors_header.hpp"
#include "packing/zstd.hpp"
#include "support/bundled_plugins.hpp"
#include "support/temp_dir.hpp"

#include <map>
#include <ostream>
#include <string>

namespace unshard::test {

/// A tensor's dtype, shape and bytes.
struct Whole {
    DType dtype = DType::f32;
    Dims shape;
    std::string bytes;
    friend bool operator==(const Whole&, const Whole&) = default;
};
using Wholes = std::map<std::string, Whole>;

/// For a failed comparison.
inline std::ostream& operator<<(std::ostream& out, const Whole& whole) {
    return out << to_string(whole.dtype) << ' ' << to_string(whole.shape) << ' ' << whole.bytes.size() << " bytes";
}

inline std::string golden_directory(const std::string& name) {
    return std::string(UNSHARD_SOURCE_DIR) + "/tests/golden/" + name;
}

inline CheckpointIndex read_golden(const std::string& reader, const std::string& name) {
    Request request;
    request.input = golden_directory(name) + "/ckpt/dcp";
    request.threads = 2;
    return bundled_plugins().reader(reader)->index(request);
}

inline Wholes golden_truth(const std::string& name) {
    const InputFile file(golden_directory(name) + "/truth.safetensors");
    Wholes wholes;
    for (const SafetensorsEntry& t : read_safetensors_header(file).tensors) {
        wholes[t.name] = {t.dtype, t.shape, file.read(t.offset, t.bytes)};
    }
    return wholes;
}

/// Copies a shard's elements to their places.
inline void place(const Shard& shard, const std::string& storage, Whole& whole) {
    const std::uint64_t item = size_of(whole.dtype);
    const Dims whole_stride = contiguous_strides(whole.shape);
    for (std::uint64_t i = 0; i < shard.spec->shape.numel(); ++i) {
        std::uint64_t rest = i, from = shard.first, to = 0;
        for (std::size_t d = shard.spec->shape.rank(); d-- > 0; rest /= shard.spec->shape[d]) {
            const std::uint64_t at = rest % shard.spec->shape[d];
            from += at * shard.spec->stride[d];
            to += ((*shard.spec->origin)[d] + at) * whole_stride[d];
        }
        whole.bytes.replace(to * item, item, storage, from * item, item);
    }
}

/// All bytes of a source file, unpacked.
inline std::string contents(const CheckpointIndex& index, const SourceFile& file) {
    if (!file.packed) return InputFile(file.path).read(0, file.bytes);
    std::string text;
    unpack_zstd(InputFile(index.files[file.packed->file].path), file.packed->offset, file.packed->bytes, file.bytes,
                [&](auto part) { text.append(reinterpret_cast<const char*>(part.data()), part.size()); });
    return text;
}

/// All tensors of an index whose shards state their origins.
inline Wholes assembled(const CheckpointIndex& index) {
    Wholes wholes;
    for (const SourceTensor& tensor : index.tensors) {
        Whole& whole = wholes[tensor.name];
        const Dims shape = tensor.shape ? *tensor.shape : extent_of_origins(tensor).value();
        whole = {tensor.dtype, shape, std::string(shape.numel() * size_of(tensor.dtype), '?')};
        for (const Shard& shard : tensor.shards) {
            place(shard, contents(index, index.files[shard.file]).substr(shard.offset, shard.bytes), whole);
        }
    }
    return wholes;
}

}  // namespace unshard::test
