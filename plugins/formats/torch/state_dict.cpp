#include "formats/torch/state_dict.hpp"

#include "formats/torch/device_mesh.hpp"
#include "formats/torch/dtensor.hpp"
#include "formats/torch/saved_file.hpp"
#include "formats/torch/tensor.hpp"
#include "formats/torch/unknown_values.hpp"
#include "unshard/tools/in_context.hpp"

#include <fmt/format.h>

#include <optional>
#include <span>
#include <string_view>
#include <unordered_set>
#include <utility>

namespace unshard::torch {
namespace {

using Items = std::span<const std::pair<Ref, Ref>>;

Items items_of(const Values& values, Ref ref, const std::string& what) {
    const auto items = values.mapping(ref);
    if (!items) throw Error(fmt::format("{} is {}, not a state dict", what, values.describe(ref)));
    return *items;
}

std::optional<Ref> find_key(const Values& values, Items items, std::string_view key) {
    std::optional<Ref> found;
    for (const auto& [name, value] : items) {
        const auto* text = values.get_if<Text>(name);
        if (text == nullptr || text->value != key) continue;
        if (found) throw Error(fmt::format("'{}' is there twice", key));
        found = value;
    }
    return found;
}

/// Follows the keys of `root` down from the top.
Items find_root(const Values& values, std::string_view root) {
    Items items = items_of(values, values.root(), "the file");
    while (!root.empty()) {
        const std::string key(root.substr(0, root.find('.')));
        root.remove_prefix(std::min(root.size(), key.size() + 1));
        const std::optional<Ref> next = find_key(values, items, key);
        if (!next) throw Error(fmt::format("there is no '{}' in it, which the option 'root' names", key));
        items = items_of(values, *next, fmt::format("'{}'", key));
    }
    return items;
}

/// For a state dict without tensors: names a nested dictionary that may hold them; else empty.
std::string nested_hint(const Values& values, Items items) {
    for (const auto& [key, value] : items) {
        const auto inside = values.mapping(value);
        if (inside && !inside->empty())
            return fmt::format(": its part '{}' is a dictionary, which the option 'root' can name",
                               values.text(key, "a key"));
    }
    return "";
}

class StateDictReader {
public:
    StateDictReader(const SavedFile& file, std::uint64_t rank) : file_(file), rank_(rank), meshes_(file, rank) {}

    StateDict read(Items items) && {
        refuse_flat_parameters(items);
        refuse_unknown_values(file_.values(), items);
        std::unordered_set<std::string_view> seen;
        for (const auto& [key, value] : items) {
            const std::string name = file_.values().text(key, "a key of the state dict");
            if (!seen.insert(file_.values().view(key, "a key")).second)
                throw Error(fmt::format("'{}' is there twice", name));
            in_context(fmt::format("'{}'", name), [&] { add(name, value); });
        }
        if (dict_.tensors.empty()) throw Error("there is no tensor in it" + nested_hint(file_.values(), items));
        dict_.meshes = meshes_.meshes();
        return std::move(dict_);
    }

private:
    /// FSDP1's LOCAL_STATE_DICT: '_flat_param' is a rank's part of all parameters of a module, flattened and
    /// concatenated.
    void refuse_flat_parameters(Items items) const {
        for (const auto& [key, value] : items) {
            const std::string name = file_.values().text(key, "a key of the state dict");
            const std::string_view last = std::string_view(name).substr(name.rfind('.') + 1);
            if (!last.starts_with("_flat_param") && !last.starts_with("flat_param")) continue;
            throw Error(
                fmt::format("'{}' is a flat parameter, as FSDP saves with LOCAL_STATE_DICT: the names and shapes of "
                            "the tensors in it are not stored: load it in the training program and save it with "
                            "SHARDED_STATE_DICT or FULL_STATE_DICT",
                            name));
        }
    }

    void add(const std::string& name, Ref value) {
        const Values& values = file_.values();
        if (is_tensor(values, value)) {
            const Rebuild rebuild = unwrap_tensor(values, value);
            if (rebuild.type != Symbol::inert) {
                keep(name, read(rebuild));
                return;
            }
        }
        dict_.dropped.push_back({name, "not a tensor but " + values.describe(value)});
    }

    void keep(const std::string& name, SourceTensor tensor) {
        shards_ += tensor.shards.size();
        // PyTorch writes an object for each shard. In a hostile file many tensors may share one list of shards.
        if (shards_ > file_.values().count()) throw Error("the file has more shards than it could list");
        tensor.name = name;
        for (Shard& shard : tensor.shards) {
            shard.rank = static_cast<std::uint32_t>(rank_);
            shard.spec = specs_(shard.spec);
        }
        dict_.tensors.push_back(std::move(tensor));
    }

    SourceTensor read(const Rebuild& rebuild) {
        switch (rebuild.type) {
            case Symbol::tensor:
                return read_plain(file_, rebuild);
            case Symbol::dtensor:
                dict_.is_before_strided_shards |= is_before_strided_shards(file_, rebuild);
                return read_dtensor(file_, rebuild, meshes_);
            case Symbol::sharded_tensor:
                note_saver(rebuild);
                return read_sharded_tensor(file_, rebuild);
            default:
                throw Error("it is of a class that is no tensor");
        }
    }

    void note_saver(const Rebuild& sharded_tensor) {
        const std::optional<Saver> saver = saver_of(file_, sharded_tensor);
        if (!saver) return;
        check_rank(saver->rank, rank_);
        if (dict_.world_size.value_or(saver->world_size) != saver->world_size) {
            throw Error(fmt::format("it was saved by {} ranks, another tensor of the file by {}", saver->world_size,
                                    *dict_.world_size));
        }
        dict_.world_size = saver->world_size;
    }

    const SavedFile& file_;
    std::uint64_t rank_;
    MeshReader meshes_;
    SharedPool<ShardSpec> specs_;
    StateDict dict_;
    std::size_t shards_ = 0;
};

}  // namespace

StateDict read_state_dict(const InputFile& file, const StateDictRequest& request) {
    return in_context(file.path(), [&] {
        const SavedFile saved(file, request.opaque);
        return StateDictReader(saved, request.rank).read(find_root(saved.values(), request.root));
    });
}

}  // namespace unshard::torch
