// A checkpoint of torch.distributed.checkpoint made by hand, and what the reader says about it.
#pragma once

#include "support/bundled_plugins.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"
#include "support/torch_builder.hpp"

#include <map>
#include <string>
#include <vector>

namespace unshard::test {

using Numbers = std::vector<std::int64_t>;

/// torch.save of a float32 tensor of zeros.
inline std::string saved_floats(const Numbers& shape) {
    std::int64_t count = 1;
    for (const std::int64_t size : shape) count *= size;
    return torch_file(floats("0", shape), {std::string(static_cast<std::size_t>(count) * 4, '\0')});
}

/// A chunk as the metadata lists it, and the file that its bytes go to.
struct SavedChunk {
    Numbers origin, shape;
    std::string file = "__0_0.distcp";
};

/// An entry of storage_data. Tests change it to damage the checkpoint.
struct SavedPlace {
    std::string key;
    Numbers origin;
    std::string file;
    std::size_t offset = 0, length = 0;
    pickle::Items more = {};
};

class DcpCheckpoint {
public:
    std::vector<SavedPlace> places;
    std::map<std::string, std::string> data;  ///< files
    pickle::Items records;                    ///< state_dict_metadata
    pickle::Items paths;                      ///< planner_data
    pickle::Items more;                       ///< further attributes
    bool is_old = false;                      ///< as PyTorch before 2.4 writes the metadata

    /// A float32 tensor under a path of keys; each chunk is saved.
    DcpCheckpoint& tensor(const std::vector<std::string>& path, const Numbers& shape,
                          const std::vector<SavedChunk>& chunks) {
        const std::string key = add_path(path);
        pickle::Codes boxes;
        for (const SavedChunk& chunk : chunks) {
            boxes.push_back(pickle::built(kModule + "ChunkStorageMetadata",
                                          {{"offsets", size(chunk.origin)}, {"sizes", size(chunk.shape)}}));
            std::string& file = data[chunk.file];
            const std::string blob = saved_floats(chunk.shape);
            places.push_back({key, chunk.origin, chunk.file, file.size(), blob.size()});
            file += blob;
        }
        records.emplace_back(
            key, pickle::built(
                     kModule + "TensorStorageMetadata",
                     {{"properties", properties("float32")}, {"size", size(shape)}, {"chunks", pickle::list(boxes)}}));
        return *this;
    }
    /// The same, in one chunk.
    DcpCheckpoint& tensor(const std::vector<std::string>& path, const Numbers& shape) {
        return tensor(path, shape, {{Numbers(shape.size(), 0), shape}});
    }
    /// An object that is no tensor.
    DcpCheckpoint& object(const std::vector<std::string>& path) {
        records.emplace_back(add_path(path), pickle::object(kModule + "BytesStorageMetadata"));
        return *this;
    }

    /// The file `.metadata`.
    std::string metadata() const {
        pickle::Items state = {{"state_dict_metadata", pickle::dict(records)}, {"storage_data", storage_data()}};
        if (!is_old) state.emplace_back("storage_meta", pickle::none());
        if (!paths.empty()) state.emplace_back("planner_data", pickle::dict(paths));
        state.insert(state.end(), more.begin(), more.end());
        return pickle::file(pickle::built(kModule + "Metadata", state));
    }

    /// Puts all files into the directory.
    void write(const std::string& metadata_name = ".metadata") const {
        for (const auto& [name, bytes] : data) write_file(directory_ / name, bytes);
        write_file(directory_ / metadata_name, metadata());
    }

    const TempDir& directory() const { return directory_; }
    int probe() const { return plugins_.reader("dcp")->probe(request({})); }
    CheckpointIndex index(const nlohmann::json& options = nlohmann::json::object()) const {
        return plugins_.reader("dcp")->index(request(options));
    }
    /// The error, with the directory's name cut out of it.
    std::string error(const nlohmann::json& options = nlohmann::json::object()) const {
        std::string text = error_of([&] { index(options); });
        for (std::size_t at; (at = text.find(directory_.path())) != std::string::npos;) {
            text.replace(at, directory_.path().size(), "DIR");
        }
        return text;
    }
    std::string write_and_fail(const nlohmann::json& options = nlohmann::json::object()) const {
        write();
        return error(options);
    }

    static pickle::Code properties(const std::string& dtype) {
        const auto layout = pickle::call("torch.serialization._get_layout", {pickle::text("torch.strided")});
        const auto format = pickle::call(kModule + "_MEM_FORMAT_ENCODING", {pickle::integer(0)});
        const pickle::Codes state = {pickle::global("torch." + dtype), layout, pickle::boolean(false), format,
                                     pickle::boolean(false)};
        return pickle::object(kModule + "TensorProperties") + pickle::tuple(state) + "b";
    }

private:
    static inline const std::string kModule = "torch.distributed.checkpoint.metadata.";

    std::string add_path(const std::vector<std::string>& path) {
        std::string key;
        pickle::Codes keys;
        for (const std::string& part : path) {
            key += (key.empty() ? "" : ".") + part;
            keys.push_back(pickle::text(part));
        }
        paths.emplace_back(key, pickle::tuple(keys));
        return key;
    }

    pickle::Code storage_data() const {
        pickle::Code code = "}(";
        for (const SavedPlace& place : places) {
            pickle::Items info = {{"relative_path", pickle::text(place.file)},
                                  {"offset", pickle::integer(static_cast<std::int64_t>(place.offset))},
                                  {"length", pickle::integer(static_cast<std::int64_t>(place.length))}};
            info.insert(info.end(), place.more.begin(), place.more.end());
            code += pickle::built(kModule + "MetadataIndex",
                                  {{"fqn", pickle::text(place.key)}, {"offset", size(place.origin)}}) +
                    pickle::built("torch.distributed.checkpoint.filesystem._StorageInfo", info);
        }
        return code + "u";
    }

    Request request(const nlohmann::json& options) const {
        Request request;
        request.input = directory_.path();
        if (options.is_object()) request.options = options;
        request.threads = 2;
        return request;
    }

    TempDir directory_;
    Plugins plugins_ = bundled_plugins();
};

/// What a test compares of a shard: rank and box.
struct RankBox {
    std::uint32_t rank;
    Box box;
    friend bool operator==(const RankBox&, const RankBox&) = default;
};
inline std::vector<RankBox> boxes_of(const SourceTensor& tensor) {
    std::vector<RankBox> boxes;
    for (const Shard& s : tensor.shards) boxes.push_back({s.rank, {s.spec->origin.value(), s.spec->shape}});
    return boxes;
}

inline std::vector<std::string> names_of(const CheckpointIndex& index) {
    std::vector<std::string> names;
    for (const SourceTensor& tensor : index.tensors) names.push_back(tensor.name);
    return names;
}

}  // namespace unshard::test
