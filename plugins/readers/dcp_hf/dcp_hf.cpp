// What HuggingFaceStorageWriter(save_distributed=True) of torch.distributed.checkpoint writes: safetensors files, one
// or more a rank, that hold local tensors; the header states where each of them begins in the whole tensor
// (hf_storage.py), but not how large that is: PyTorch's own reader takes the end of the last piece. If pieces in the
// middle are lost, the merger notices; if the last ones are lost, it cannot. So the shape is left unset here and later
// compared with config.json, unless the user vouches for the files with `trust_shapes`.

#include "formats/safetensors/safetensors_shards.hpp"
#include "shard_files.hpp"
#include "unshard/plugin.hpp"
#include "unshard/tools/in_context.hpp"
#include "unshard/tools/parallel.hpp"

#include <fmt/format.h>

#include <atomic>
#include <unordered_map>
#include <utility>

namespace unshard {
namespace {

using dcp_hf::ShardFile;
using torch::in_context;

/// The pieces in one file, each with its origin.
struct Pieces {
    SourceFile file;
    std::vector<SourceTensor> tensors;
};

SourceTensor read_piece(const SafetensorsEntry& entry, const std::map<std::string, Dims>& origins) {
    const auto origin = origins.find(entry.name);
    if (origin == origins.end()) throw Error("DCP_SHARDING_INFO does not say where it lies in the whole");
    if (origin->second.rank() != entry.shape.rank()) {
        throw Error(fmt::format("its shape is {}, its saved_offsets are {}", to_string(entry.shape),
                                to_string(origin->second)));
    }
    if (entry.encoding) throw Error(fmt::format("pieces of type {} are not supported", entry.encoding->name));
    return {entry.name, entry.dtype, std::nullopt, {torch::shard_of(entry, 0, origin->second)}};
}

Pieces read_pieces(const std::string& path) {
    const InputFile file(path);
    const SafetensorsHeader header = read_safetensors_header(file);
    const auto origins = torch::read_sharding_info(header);
    if (!origins) throw Error("its header has no DCP_SHARDING_INFO: it is not a shard that PyTorch wrote");
    Pieces pieces{source_file(file), {}};
    for (const SafetensorsEntry& entry : header.tensors) {
        pieces.tensors.push_back(
            in_context(fmt::format("'{}'", entry.name), [&] { return read_piece(entry, *origins); }));
    }
    return pieces;
}

/// Adds a piece to a tensor of which an earlier file has a piece.
void add_piece(SourceTensor& whole, const SourceTensor& piece) {
    const std::size_t rank = whole.shards.front().spec->shape.rank();
    if (whole.dtype != piece.dtype || rank != piece.shards.front().spec->shape.rank()) {
        throw Error(fmt::format(
            "'{}': {} of {} dimensions in one file, {} of {} in another: files of different checkpoints are mixed",
            whole.name, to_string(whole.dtype), rank, to_string(piece.dtype), piece.shards.front().spec->shape.rank()));
    }
    whole.shards.push_back(piece.shards.front());
}

std::vector<SourceTensor> unite(std::vector<Pieces>& files, const std::vector<ShardFile>& names) {
    std::vector<SourceTensor> tensors;
    std::unordered_map<std::string, std::size_t> known;
    for (std::size_t number = 0; number < files.size(); ++number) {
        for (SourceTensor& piece : files[number].tensors) {
            piece.shards.front().file = static_cast<std::uint32_t>(number);
            piece.shards.front().rank = names[number].rank;
            const auto [entry, is_new] = known.try_emplace(piece.name, tensors.size());
            if (is_new) {
                tensors.push_back(std::move(piece));
            } else {
                add_piece(tensors[entry->second], piece);
            }
        }
    }
    return tensors;
}

class DcpHfReader : public Reader {
public:
    int probe(const Request& request) override { return dcp_hf::has_shard_files(request.input) ? 85 : 0; }

    CheckpointIndex index(const Request& request) override {
        Options options(request.options);
        const auto allow_gaps = options.take("allow_gaps", false);
        const auto trust_shapes = options.take("trust_shapes", false);
        options.take<std::vector<std::string>>("opaque", {});  // there is no pickle: nothing to let through
        options.finish();

        const std::vector<ShardFile> names =
            in_context(request.input, [&] { return dcp_hf::find_shard_files(request.input, allow_gaps); });
        std::vector<Pieces> files(names.size());
        std::atomic<std::uint64_t> done = 0;
        parallel_for(files.size(), request.threads, [&](std::size_t i) {
            files[i] = in_context(names[i].path, [&] { return read_pieces(names[i].path); });
            progress(++done, files.size());
        });

        CheckpointIndex index;
        index.ranks = names.back().rank + 1;
        index.is_training_state = true;
        index.format = fmt::format("DCP in safetensors, {} {}", index.ranks, index.ranks == 1 ? "rank" : "ranks");
        index.tensors = in_context(request.input, [&] { return unite(files, names); });
        for (const Pieces& pieces : files) index.files.push_back(pieces.file);
        for (SourceTensor& tensor : index.tensors) {
            const auto extent = in_context(fmt::format("'{}'", tensor.name), [&] { return extent_of_origins(tensor); });
            if (trust_shapes) tensor.shape = extent;
        }
        return index;
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::DcpHfReader, "dcp_hf", UNSHARD_VERSION,
               "torch.distributed.checkpoint in safetensors, shard-R-model-I-of-N.safetensors")
