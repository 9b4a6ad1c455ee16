#include "formats/torch/state_dict.hpp"

#include "formats/torch/device_mesh.hpp"
#include "formats/torch/dtensor.hpp"
#include "formats/torch/saved_file.hpp"
#include "formats/torch/saved_tree.hpp"
#include "formats/torch/tensor.hpp"
#include "formats/torch/unknown_values.hpp"
#include "unshard/tools/in_context.hpp"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>

namespace unshard::torch {
namespace {

class StateDictReader {
public:
    StateDictReader(const SavedFile& file, const StateDictRequest& request)
        : file_(file), request_(request), meshes_(file, request.rank) {}

    StateDict read() && {
        const SavedTree tree = read_tree(file_.values());
        ModelPart model = find(tree);
        refuse_flat_parameters(model);
        refuse_unknown_values(file_.values(), leaves_of(tree, model.others));
        for (const ModelTensor& tensor : model.tensors) {
            const Leaf& leaf = tree.leaves[tensor.entry];
            file_.values().text(leaf.key, "a key of the state dict");
            in_context(fmt::format("'{}'", tensor.name), [&] { keep(tensor.name, read(leaf.value)); });
        }
        dict_.root = std::move(model.root);
        dict_.dropped = std::move(model.dropped);
        dict_.meshes = meshes_.meshes();
        return std::move(dict_);
    }

private:
    ModelPart find(const SavedTree& tree) const {
        if (request_.root == kAutoRoot) refuse_hidden_model(file_.values(), tree);
        return find_model(tree.entries, request_.root);
    }

    std::vector<Leaf> leaves_of(const SavedTree& tree, const std::vector<std::size_t>& entries) const {
        std::vector<Leaf> leaves;
        for (const std::size_t entry : entries) {
            leaves.push_back(tree.leaves[entry]);
            file_.values().text(leaves.back().key, "a key of the state dict");
        }
        return leaves;
    }

    /// FSDP1's LOCAL_STATE_DICT: '_flat_param' is a rank's part of all parameters of a module, flattened and
    /// concatenated.
    static void refuse_flat_parameters(const ModelPart& model) {
        for (const ModelTensor& tensor : model.tensors) {
            const std::string_view last = std::string_view(tensor.name).substr(tensor.name.rfind('.') + 1);
            if (!last.starts_with("_flat_param") && !last.starts_with("flat_param")) continue;
            throw Error(
                fmt::format("'{}' is a flat parameter, as FSDP saves with LOCAL_STATE_DICT: the names and shapes of "
                            "the tensors in it are not stored: load it in the training program and save it with "
                            "SHARDED_STATE_DICT or FULL_STATE_DICT",
                            tensor.name));
        }
    }

    void keep(const std::string& name, SourceTensor tensor) {
        shards_ += tensor.shards.size();
        // PyTorch writes an object for each shard. In a hostile file many tensors may share one list of shards.
        if (shards_ > file_.values().count()) throw Error("the file has more shards than it could list");
        tensor.name = name;
        for (Shard& shard : tensor.shards) {
            shard.rank = static_cast<std::uint32_t>(request_.rank);
            shard.spec = specs_(shard.spec);
        }
        dict_.tensors.push_back(std::move(tensor));
    }

    SourceTensor read(Ref value) {
        const Rebuild rebuild = unwrap_tensor(file_.values(), value);
        switch (rebuild.type) {
            case Symbol::tensor:
                return request_.is_whole ? read_whole(file_, rebuild) : read_plain(file_, rebuild);
            case Symbol::dtensor:
                if (request_.is_whole) return read_whole(file_, rebuild);
                dict_.is_before_strided_shards |= is_before_strided_shards(file_, rebuild);
                return read_dtensor(file_, rebuild, meshes_);
            case Symbol::sharded_tensor:
                if (request_.is_whole) return read_whole(file_, rebuild);
                note_saver(rebuild);
                return read_sharded_tensor(file_, rebuild);
            default:
                throw Error("it is of a class that is no tensor");
        }
    }

    void note_saver(const Rebuild& sharded_tensor) {
        const std::optional<Saver> saver = saver_of(file_, sharded_tensor);
        if (!saver) return;
        check_rank(saver->rank, request_.rank);
        if (dict_.world_size.value_or(saver->world_size) != saver->world_size) {
            throw Error(fmt::format("it was saved by {} ranks, another tensor of the file by {}", saver->world_size,
                                    *dict_.world_size));
        }
        dict_.world_size = saver->world_size;
    }

    const SavedFile& file_;
    const StateDictRequest& request_;
    MeshReader meshes_;
    SharedPool<ShardSpec> specs_;
    StateDict dict_;
    std::size_t shards_ = 0;
};

}  // namespace

StateDict read_state_dict(const InputFile& file, const StateDictRequest& request) {
    return in_context(file.path(), [&] {
        const SavedFile saved(file, request.opaque);
        return StateDictReader(saved, request).read();
    });
}

}  // namespace unshard::torch
