// Directories of safetensors files made by hand, and what a reader says about them.
#pragma once

#include "support/bundled_plugins.hpp"
#include "support/error_text.hpp"
#include "support/pickle_builder.hpp"
#include "support/temp_dir.hpp"

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

class SafetensorsDirectory {
public:
    explicit SafetensorsDirectory(std::string reader) : reader_(std::move(reader)) {}

    SafetensorsDirectory& file(const std::string& name, const std::string& bytes) {
        write_file(directory_ / name, bytes);
        return *this;
    }
    SafetensorsDirectory& index_file(const nlohmann::json& weight_map) {
        return file("model.safetensors.index.json", nlohmann::json({{"weight_map", weight_map}}).dump());
    }

    std::string operator/(const std::string& name) const { return directory_ / name; }
    int probe(const std::string& name = "") const { return plugins_.reader(reader_)->probe(request(name, {})); }
    CheckpointIndex index(const std::string& name = "", const nlohmann::json& options = {}) const {
        return plugins_.reader(reader_)->index(request(name, options));
    }
    /// The error, with the directory's name cut out of it.
    std::string error(const std::string& name = "", const nlohmann::json& options = {}) const {
        std::string text = error_of([&] { index(name, options); });
        for (std::size_t at; (at = text.find(directory_.path())) != std::string::npos;) {
            text.replace(at, directory_.path().size(), "DIR");
        }
        return text;
    }

private:
    Request request(const std::string& name, const nlohmann::json& options) const {
        Request request;
        request.input = name.empty() ? directory_.path() : directory_ / name;
        if (options.is_object()) request.options = options;
        request.threads = 2;
        return request;
    }

    std::string reader_;
    TempDir directory_;
    Plugins plugins_ = bundled_plugins();
};

}  // namespace unshard::test
