// FSDP checkpoints as veRL and accelerate save them: one torch.save file for each rank, see rank_files.cpp for the
// names, that holds the rank's state dict. Values are DTensors (FSDP1 with a device mesh, FSDP2), ShardedTensors (FSDP1
// without one) or plain tensors (buffers; everything on a single rank). fsdp_config.json beside them states the world
// size; older checkpoints have none.

#include "combine.hpp"
#include "formats/torch/state_dict.hpp"
#include "rank_files.hpp"
#include "split_order.hpp"
#include "unshard/plugin.hpp"
#include "unshard/tools/directory.hpp"
#include "unshard/tools/in_context.hpp"
#include "unshard/tools/json_file.hpp"
#include "unshard/tools/parallel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>

namespace unshard {
namespace {

/// The number under a key of fsdp_config.json, if it is there.
std::optional<std::uint64_t> number_in(const nlohmann::json& config, const char* key) {
    const auto found = config.is_object() ? config.find(key) : config.end();
    if (found == config.end() || !found->is_number_unsigned()) return std::nullopt;
    return found->get<std::uint64_t>();
}

/// The order of splits by fsdp_config.json, if there is such a file. Its world size must be that of the file names; of
/// several saves in one directory it is that of the last one.
std::optional<torch::SplitOrder> read_config(const std::string& directory, const fsdp::RankFiles& found) {
    const std::string path = (std::filesystem::path(directory) / "fsdp_config.json").string();
    if (!found.world_size || !has_file(path)) return std::nullopt;
    const nlohmann::json config = read_json(path, 1 << 20);
    const std::optional<std::uint64_t> world_size = number_in(config, "world_size");
    if (world_size && *world_size != *found.world_size) {
        if (found.other_worlds.contains(*world_size)) return std::nullopt;
        throw Error(fmt::format(
            "{}: states a world size of {}, the rank files are named for {}: rank files of different runs are mixed",
            path, *world_size, *found.world_size));
    }
    const std::optional<std::uint64_t> version = number_in(config, "FSDP_version");
    if (!version || !world_size) return std::nullopt;
    return *version == 1   ? std::optional(torch::SplitOrder::left_to_right)
           : *version == 2 ? std::optional(torch::SplitOrder::inner_first)
                           : std::nullopt;
}

/// With FULL_STATE_DICT rank 0 alone saves the model. If all its tensors are whole, replicated ones become plain ones,
/// so that no other rank's file is asked for.
void make_replicated_plain(torch::StateDict& rank) {
    const auto is_replicated = [](const Placement& p) { return p.kind == PlacementKind::replicate; };
    for (const SourceTensor& tensor : rank.tensors) {
        const auto is_whole = [&](const Shard& s) {
            return !s.spec->mesh ||
                   (s.spec->shape == tensor.shape && std::ranges::all_of(s.spec->placements, is_replicated));
        };
        if (!std::ranges::all_of(tensor.shards, is_whole)) return;
    }
    for (SourceTensor& tensor : rank.tensors) {
        for (Shard& shard : tensor.shards) {
            shard.spec =
                ShardSpec{.shape = shard.spec->shape, .stride = shard.spec->stride, .origin = shard.spec->origin};
        }
    }
    rank.meshes.clear();
}

class FsdpReader : public Reader {
public:
    int probe(const Request& request) override { return fsdp::has_rank_files(request.input) ? 100 : 0; }

    CheckpointIndex index(const Request& request) override {
        Options options(request.options);
        torch::StateDictRequest wanted;
        wanted.opaque = options.take("opaque", wanted.opaque);
        wanted.root = options.take<std::string>("root", torch::kAutoRoot);
        const auto names = options.take<std::string>("files", "");
        const auto split_order = torch::parse_split_order(options.take<std::string>("split_order", ""));
        options.finish();

        const fsdp::RankFiles found =
            torch::in_context(request.input, [&] { return fsdp::find_rank_files(request.input, names); });
        const std::vector<std::string>& paths = found.paths;
        const std::optional<torch::SplitOrder> configured = read_config(request.input, found);
        std::vector<SourceFile> files(paths.size());
        std::vector<torch::StateDict> ranks(paths.size());
        std::atomic<std::uint64_t> done = 0;
        parallel_for(paths.size(), request.threads, [&](std::size_t rank) {
            const InputFile file(paths[rank]);
            files[rank] = source_file(file);
            ranks[rank] = torch::read_state_dict(file, {.rank = rank, .root = wanted.root, .opaque = wanted.opaque});
            progress(++done, paths.size());
        });
        const bool is_before_strided_shards = std::ranges::any_of(ranks, &torch::StateDict::is_before_strided_shards);
        if (split_order && !is_before_strided_shards) torch::refuse_split_order();
        if (fsdp::is_saved_by_one(found)) make_replicated_plain(ranks.front());

        if (!found.world_size) {
            torch::in_context(request.input, [&] { fsdp::check_world_size(found, fsdp::least_world_size(ranks)); });
        }
        CheckpointIndex index = fsdp::combine(std::move(ranks));
        if (is_before_strided_shards) {
            torch::in_context(request.input,
                              [&] { fsdp::settle_split_order(index, split_order ? split_order : configured); });
        }
        index.is_training_state = true;
        index.format = fmt::format("FSDP, {} {}", paths.size(), paths.size() == 1 ? "rank" : "ranks");
        index.files = std::move(files);
        return index;
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::FsdpReader, "fsdp", UNSHARD_VERSION,
               "FSDP rank files, model_world_size_W_rank_R.pt or pytorch_model_fsdp_*.bin")
