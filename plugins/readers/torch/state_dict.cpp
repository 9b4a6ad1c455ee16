#include "torch/state_dict.hpp"

#include "torch/device_mesh.hpp"
#include "torch/dtensor.hpp"
#include "torch/in_context.hpp"
#include "torch/saved_file.hpp"
#include "torch/tensor.hpp"

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
    if (!items) throw Error(what + " is " + values.describe(ref) + ", not a state dict");
    return *items;
}

std::optional<Ref> find_key(const Values& values, Items items, std::string_view key) {
    for (const auto& [name, value] : items) {
        const auto* text = values.get_if<Text>(name);
        if (text != nullptr && text->value == key) return value;
    }
    return std::nullopt;
}

/// Follows the keys of `root` down from the top.
Items find_root(const Values& values, std::string_view root) {
    Items items = items_of(values, values.root(), "the file");
    while (!root.empty()) {
        const std::string key(root.substr(0, root.find('.')));
        root.remove_prefix(std::min(root.size(), key.size() + 1));
        const std::optional<Ref> next = find_key(values, items, key);
        if (!next) throw Error("there is no '" + key + "' in it, which the option 'root' names");
        items = items_of(values, *next, "'" + key + "'");
    }
    return items;
}

/// For a state dict without tensors: where they may be.
std::string nested_hint(const Values& values, Items items) {
    for (const auto& [key, value] : items) {
        const auto inside = values.mapping(value);
        if (inside && !inside->empty())
            return ": its part '" + values.text(key, "a key") + "' is a dictionary, which the option 'root' can name";
    }
    return "";
}

class StateDictReader {
public:
    StateDictReader(const SavedFile& file, std::uint64_t rank) : file_(file), rank_(rank), meshes_(file, rank) {}

    StateDict read(Items items) && {
        std::unordered_set<std::string> seen;
        for (const auto& [key, value] : items) {
            const std::string name = file_.values().text(key, "a key of the state dict");
            if (!seen.insert(name).second) throw Error("'" + name + "' is there twice");
            in_context("'" + name + "'", [&] { add(name, value); });
        }
        if (dict_.tensors.empty()) throw Error("there is no tensor in it" + nested_hint(file_.values(), items));
        dict_.meshes = meshes_.meshes();
        return std::move(dict_);
    }

private:
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
        tensor.name = name;
        for (Shard& shard : tensor.shards) shard.rank = static_cast<std::uint32_t>(rank_);
        dict_.tensors.push_back(std::move(tensor));
    }

    SourceTensor read(const Rebuild& rebuild) {
        switch (rebuild.type) {
            case Symbol::tensor:
                return read_plain(file_, rebuild);
            case Symbol::dtensor:
                return read_dtensor(file_, rebuild, meshes_);
            case Symbol::sharded_tensor:
                return read_sharded_tensor(file_, rebuild);
            default:
                throw Error("it is of a class that is no tensor");
        }
    }

    const SavedFile& file_;
    std::uint64_t rank_;
    MeshReader meshes_;
    StateDict dict_;
};

}  // namespace

StateDict read_state_dict(const InputFile& file, const StateDictRequest& request) {
    return in_context(file.path(), [&] {
        const SavedFile saved(file, request.opaque);
        return StateDictReader(saved, request.rank).read(find_root(saved.values(), request.root));
    });
}

}  // namespace unshard::torch
