// A GGUF file as input: whole tensors, each in one piece, under llama.cpp's names. Quantised tensors are indexed as
// blocks.

#include "gguf/split_files.hpp"
#include "unshard/plugin.hpp"

#include <fmt/format.h>

#include <filesystem>

namespace unshard {
namespace {

using gguf::Header;
using gguf::ModelFile;
using gguf::StoredTensor;

/// Types that are not blocks have the same names in ggml and here.
SourceTensor source_tensor(const StoredTensor& stored, std::uint32_t file) {
    SourceTensor tensor{stored.name, DType::u8, stored.shape, {}};
    if (stored.type.block_elems == 1) {
        tensor.dtype = find_dtype(&DTypeInfo::name, stored.type.name).value();
    } else {
        tensor.encoding = Encoding{std::string(stored.type.name), stored.type.block_elems, stored.type.block_bytes};
        Dims& shape = *tensor.shape;
        shape[shape.rank() - 1] = shape.back() / stored.type.block_elems * stored.type.block_bytes;
    }
    tensor.shards.push_back(whole_tensor_shard(file, stored.offset, tensor.dtype, *tensor.shape));
    return tensor;
}

nlohmann::json keys_of(const Header& header) {
    auto keys = nlohmann::json::array();
    for (const gguf::KeyValue& key : header.keys) {
        nlohmann::json entry = {{"key", key.key}, {"type", key.type}, {"value", key.value}};
        if (key.is_array()) {
            entry["count"] = key.count;
            entry["offset"] = key.offset;
            entry["bytes"] = key.bytes;
        }
        keys.push_back(std::move(entry));
    }
    return keys;
}

void warn_of_rest(const ModelFile& file, std::vector<std::string>& warnings) {
    if (file.header.bytes_behind == 0) return;
    warnings.push_back(
        fmt::format("{}: {} bytes behind the last tensor are left out", file.path, file.header.bytes_behind));
}

class GgufReader : public Reader {
public:
    int probe(const Request& request) override {
        if (!gguf::has_model_files(request.input)) return 0;
        return std::filesystem::is_directory(request.input) ? 40 : 90;  // less than safetensors files beside them
    }

    CheckpointIndex index(const Request& request) override {
        Options options(request.options);
        options.take<std::vector<std::string>>("opaque", {});  // there is no pickle: nothing to let through
        options.finish();
        const std::vector<ModelFile> files = gguf::read_model_files(request.input);
        CheckpointIndex index;
        for (const ModelFile& file : files) {
            const auto number = static_cast<std::uint32_t>(index.files.size());
            for (const StoredTensor& tensor : file.header.tensors)
                index.tensors.push_back(source_tensor(tensor, number));
            index.files.push_back({file.path, file.bytes, std::nullopt, file.stamp});
            warn_of_rest(file, index.warnings);
        }
        const Header& first = files.front().header;
        index.format = fmt::format("GGUF version {}", first.version);
        index.metadata["alignment"] = first.alignment;
        index.metadata["keys"] = keys_of(first);
        return index;
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::GgufReader, "gguf", UNSHARD_VERSION, "a GGUF file, or several that are one model")
