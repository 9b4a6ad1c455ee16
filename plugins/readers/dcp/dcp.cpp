// Checkpoints of torch.distributed.checkpoint (DCP): a pickle `.metadata` that says what was saved and where each chunk
// lies, and data files `__<rank>_<number>.distcp` that hold the chunks. Ranks, meshes and placements are not stored; a
// chunk is a box of its tensor. A save without collectives writes `__<rank>.metadata` for each rank instead.

#include "chunks.hpp"
#include "files.hpp"
#include "formats/torch/model_part.hpp"
#include "metadata.hpp"
#include "split_order.hpp"
#include "unshard/plugin.hpp"
#include "unshard/tools/in_context.hpp"
#include "unshard/tools/parallel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <unordered_set>

namespace unshard {
namespace {

using torch::in_context;

std::vector<std::optional<dcp::Metadata>> read_metadata(const std::vector<std::string>& paths,
                                                        std::span<const std::string> opaque, unsigned threads) {
    std::vector<std::optional<dcp::Metadata>> parts(paths.size());
    parallel_for(paths.size(), threads,
                 [&](std::size_t i) { in_context(paths[i], [&] { parts[i].emplace(InputFile(paths[i]), opaque); }); });
    return parts;
}

/// What all ranks saved; each key once.
struct SavedValues {
    std::vector<std::string> keys;
    std::vector<torch::Entry> entries;
};

SavedValues unite(const std::vector<std::optional<dcp::Metadata>>& parts) {
    SavedValues united;
    std::unordered_set<std::string> seen;
    for (const auto& part : parts) {
        for (dcp::Saved& saved : part->saved()) {
            if (parts.size() > 1 && !seen.insert(saved.key).second) continue;
            united.keys.push_back(std::move(saved.key));
            united.entries.push_back(std::move(saved.entry));
        }
    }
    return united;
}

class DcpReader : public Reader {
public:
    int probe(const Request& request) override {
        switch (dcp::look_at(request.input)) {
            case dcp::Directory::complete:
                return 90;
            case dcp::Directory::without_metadata:
                return 50;
            default:
                return 0;
        }
    }

    CheckpointIndex index(const Request& request) override {
        Options options(request.options);
        const auto opaque = options.take<std::vector<std::string>>("opaque", {});
        const auto root = options.take<std::string>("root", torch::kAutoRoot);
        const auto split_order = torch::parse_split_order(options.take<std::string>("split_order", ""));
        options.finish();

        const auto paths = in_context(request.input, [&] { return dcp::find_metadata(request.input); });
        CheckpointIndex index;
        dcp::FileTable files;
        std::vector<dcp::Tensor> tensors;
        {
            const auto parts = read_metadata(paths, opaque, request.threads);
            const SavedValues saved = in_context(paths.front(), [&] { return unite(parts); });
            torch::ModelPart model = in_context(paths.front(), [&] { return torch::find_model(saved.entries, root); });
            index.dropped = std::move(model.dropped);
            tensors = name_tensors(std::move(model.tensors), saved.keys);
            add_chunks(parts, paths, tensors, files);
            const bool is_old = std::ranges::any_of(parts, [](const auto& p) { return p->is_before_strided_shards(); });
            if (split_order && !is_old) torch::refuse_split_order();
            if (is_old) in_context(paths.front(), [&] { dcp::settle_split_order(tensors, split_order); });
        }
        index.files = in_context(request.input, [&] { return files.find_in(request.input); });
        index.tensors = in_context(request.input, [&] {
            return dcp::locate_chunks(tensors, index.files, files.names(), opaque, request.threads, progress);
        });
        index.ranks = count_ranks(files, paths.size());
        index.is_training_state = true;
        index.format = fmt::format("DCP, {} {}", index.ranks, index.ranks == 1 ? "rank" : "ranks");
        return index;
    }

private:
    static std::vector<dcp::Tensor> name_tensors(std::vector<torch::ModelTensor> wanted,
                                                 const std::vector<std::string>& keys) {
        std::vector<dcp::Tensor> tensors;
        for (torch::ModelTensor& tensor : wanted) {
            dcp::Tensor& added = tensors.emplace_back();
            added.key = keys[tensor.entry];
            added.name = std::move(tensor.name);
        }
        return tensors;
    }

    static void add_chunks(const std::vector<std::optional<dcp::Metadata>>& parts,
                           const std::vector<std::string>& paths, std::vector<dcp::Tensor>& tensors,
                           dcp::FileTable& files) {
        dcp::TensorNumbers numbers;
        for (std::size_t i = 0; i < tensors.size(); ++i) numbers.emplace(tensors[i].key, i);
        for (std::size_t i = 0; i < parts.size(); ++i) {
            in_context(paths[i], [&] { parts[i]->add_chunks(numbers, tensors, files); });
        }
    }

    /// The number of ranks: the highest rank in a file's name plus one, or `ranks` if that is more. Ranks after these
    /// that saved nothing are not counted.
    static std::uint64_t count_ranks(const dcp::FileTable& files, std::uint64_t ranks) {
        for (const std::string& name : files.names()) ranks = std::max<std::uint64_t>(ranks, dcp::rank_of(name) + 1);
        return ranks;
    }
};

}  // namespace
}  // namespace unshard

UNSHARD_PLUGIN(unshard::DcpReader, "dcp", UNSHARD_VERSION, "torch.distributed.checkpoint, .metadata and *.distcp")
