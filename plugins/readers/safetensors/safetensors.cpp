// A Hugging Face directory, or one safetensors file, as input: whole tensors, each in one piece. The index must agree
// with the files: PyTorch's loaders would silently leave a missing tensor at its initial values.

#include "formats/hub/model_files.hpp"
#include "formats/safetensors/safetensors_shards.hpp"
#include "unshard/plugin.hpp"
#include "unshard/tools/directory.hpp"
#include "unshard/tools/in_context.hpp"
#include "unshard/tools/parallel.hpp"

#include <fmt/format.h>

#include <utility>

namespace unshard {
namespace {

using hub::ModelFiles;
using torch::in_context;

struct Contents {
    SourceFile file;
    std::vector<SafetensorsEntry> tensors;
};

Contents read_contents(const std::string& path) {
    const InputFile file(path);
    SafetensorsHeader header = read_safetensors_header(file);
    if (header.metadata.contains("DCP_SHARDING_INFO")) {
        throw Error(path +
                    ": holds pieces of tensors, one shard of a distributed checkpoint: name its directory, with "
                    "--reader dcp_hf");
    }
    return {source_file(file), std::move(header.tensors)};
}

SourceTensor whole_tensor(SafetensorsEntry& entry, std::uint32_t file) {
    Shard shard = whole_tensor_shard(file, entry.offset, entry.dtype, entry.shape);
    return {std::move(entry.name), entry.dtype, entry.shape, {std::move(shard)}, std::move(entry.encoding)};
}

class SafetensorsReader : public Reader {
public:
    int probe(const Request& request) override {
        switch (hub::look_at(request.input, hub::kSafetensors)) {
            case hub::Certainty::model:
                return 70;
            case hub::Certainty::some_file:
                return 30;
            default:
                return 0;
        }
    }

    CheckpointIndex index(const Request& request) override {
        Options options(request.options);
        const bool is_part_wanted = options.take("part", false);
        options.take<std::vector<std::string>>("opaque", {});  // there is no pickle: nothing to let through
        options.finish();
        ModelFiles files = in_context(
            request.input, [&] { return hub::find_model_files(request.input, hub::kSafetensors, is_part_wanted); });
        std::vector<Contents> contents(files.paths.size());
        parallel_for(contents.size(), request.threads,
                     [&](std::size_t i) { contents[i] = read_contents(files.paths[i]); });

        CheckpointIndex index;
        for (Contents& file : contents) {
            const auto number = static_cast<std::uint32_t>(index.files.size());
            for (SafetensorsEntry& tensor : file.tensors) index.tensors.push_back(whole_tensor(tensor, number));
            index.files.push_back(std::move(file.file));
        }
        hub::check_against_index(files, index.tensors, index.files);
        if (index.tensors.empty()) throw Error(request.input + ": there is no tensor in it");
        index.format = fmt::format("safetensors, {} {}", contents.size(), contents.size() == 1 ? "file" : "files");
        index.dropped = std::move(files.dropped);
        if (has_directory(request.input) && hub::look_at(request.input, hub::kTorch) == hub::Certainty::model) {
            index.dropped.push_back({"pytorch_model*.bin", "a model in the older form, which reader torch_file reads"});
        }
        return index;
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::SafetensorsReader, "safetensors", UNSHARD_VERSION,
               "a Hugging Face directory or a .safetensors file")
