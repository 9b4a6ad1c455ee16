// FSDP checkpoints as veRL and accelerate save them: one torch.save file for each rank, see rank_files.cpp for the
// names, that holds the rank's state dict. Values are DTensors (FSDP1 with a device mesh, FSDP2), ShardedTensors (FSDP1
// without one) or plain tensors (buffers; everything on a single rank). fsdp_config.json beside them states the world
// size; older checkpoints have none.

#include "combine.hpp"
#include "rank_files.hpp"
#include "torch/in_context.hpp"
#include "torch/state_dict.hpp"
#include "unshard/json_file.hpp"
#include "unshard/parallel.hpp"
#include "unshard/plugin.hpp"

#include <filesystem>

namespace unshard {
namespace {

/// fsdp_config.json's world size, when there is such a file, must be that of the file names.
void check_config(const std::string& directory, std::uint64_t world_size) {
    const std::string path = (std::filesystem::path(directory) / "fsdp_config.json").string();
    if (!std::filesystem::exists(path)) return;
    const nlohmann::ordered_json config = read_json(path, 1 << 20);
    const auto stated = config.is_object() ? config.find("world_size") : config.end();
    if (stated == config.end() || !stated->is_number_integer() || *stated == world_size) return;
    throw Error(path + ": states a world size of " + stated->dump() + ", the rank files are named for " +
                std::to_string(world_size) + ": rank files of different runs are mixed");
}

class FsdpReader : public Reader {
public:
    int probe(const Request& request) override { return fsdp::has_rank_files(request.input) ? 100 : 0; }

    CheckpointIndex index(const Request& request) override {
        Options options(request.options);
        torch::StateDictRequest wanted;
        wanted.opaque = options.take("opaque", wanted.opaque);
        wanted.root = options.take<std::string>("root", "auto");
        const auto names = options.take<std::string>("files", "");
        options.finish();
        if (wanted.root == "auto") wanted.root.clear();

        const fsdp::RankFiles found =
            torch::in_context(request.input, [&] { return fsdp::find_rank_files(request.input, names); });
        const std::vector<std::string>& paths = found.paths;
        if (found.world_size) check_config(request.input, *found.world_size);
        std::vector<SourceFile> files(paths.size());
        std::vector<torch::StateDict> ranks(paths.size());
        parallel_for(paths.size(), request.threads, [&](std::size_t rank) {
            const InputFile file(paths[rank]);
            files[rank] = {paths[rank], file.bytes()};
            ranks[rank] = torch::read_state_dict(file, {rank, wanted.root, wanted.opaque});
        });

        if (!found.world_size) {
            torch::in_context(request.input, [&] { fsdp::check_world_size(found, fsdp::least_world_size(ranks)); });
        }
        CheckpointIndex index = fsdp::combine(std::move(ranks));
        index.format = "FSDP, " + std::to_string(paths.size()) + (paths.size() == 1 ? " rank" : " ranks");
        index.files = std::move(files);
        return index;
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::FsdpReader, "fsdp", UNSHARD_VERSION,
               "FSDP rank files, model_world_size_W_rank_R.pt or pytorch_model_fsdp_*.bin")
