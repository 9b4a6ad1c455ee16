// Directories of safetensors files made by hand.
#pragma once

#include "support/pickle_builder.hpp"
#include "support/reader_directory.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <utility>
#include <vector>

namespace unshard::test {

/// A tensor of bytes: its name, shape and, in a shard, where it lies in the whole.
struct ByteTensor {
    std::string name;
    std::vector<std::uint64_t> shape;
    std::vector<std::uint64_t> origin = {};
    std::string dtype = "U8";
};

inline std::string safetensors_bytes(const std::vector<ByteTensor>& tensors, const nlohmann::json& metadata) {
    nlohmann::json header;
    if (!metadata.is_null()) header["__metadata__"] = metadata;
    std::uint64_t end = 0;
    for (const ByteTensor& t : tensors) {
        const std::uint64_t begin = end;
        end += Dims(std::span<const std::uint64_t>(t.shape)).numel();
        header[t.name] = {{"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {begin, end}}};
    }
    const std::string text = header.is_null() ? "{}" : header.dump();
    return le(text.size(), 8) + text + std::string(end, 'x');
}

/// A file of whole tensors.
inline std::string whole_file(const std::vector<ByteTensor>& tensors) {
    return safetensors_bytes(tensors, {{"format", "pt"}});
}

/// A file as HuggingFaceStorageWriter writes it for one rank.
inline std::string shard_file(const std::vector<ByteTensor>& tensors) {
    nlohmann::json notes = nlohmann::json::object();
    for (const ByteTensor& t : tensors) notes[t.name] = {{"saved_offsets", t.origin}};
    return safetensors_bytes(tensors, {{"format", "pt"}, {"DCP_VERSION", "1.0"}, {"DCP_SHARDING_INFO", notes.dump()}});
}

struct SafetensorsDirectory : ReaderDirectory {
    explicit SafetensorsDirectory(std::string reader)
        : ReaderDirectory(std::move(reader), "model.safetensors.index.json") {}
};

}  // namespace unshard::test
