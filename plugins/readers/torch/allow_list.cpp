// The list covers what torch.save writes for state dicts of PyTorch 2.1 to 2.13: tensors, DTensors and ShardedTensors;
// and the metadata of torch.distributed.checkpoint.
// Releases moved the DTensor classes around: torch.distributed._tensor (2.1 to 2.4) became torch.distributed.tensor,
// and the submodules changed. So names are looked up in the later package, and a trailing '*' takes in its submodules.

#include "torch/allow_list.hpp"

#include "unshard/error.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace unshard::torch {
namespace {

struct Known {
    std::string_view module;
    std::string_view name;
    Symbol symbol;
};

constexpr Known kKnown[] = {
    {"collections", "OrderedDict", Symbol::mapping},
    {"collections", "defaultdict", Symbol::mapping},
    {"_codecs", "encode", Symbol::inert},
    {"_io", "BytesIO", Symbol::inert},
    {"torch", "device", Symbol::inert},
    {"torch", "Size", Symbol::size},
    {"torch", "Tensor", Symbol::tensor},
    {"torch.nn.parameter", "Parameter", Symbol::tensor},
    {"torch.nn.parameter", "Buffer", Symbol::tensor},
    {"torch.serialization", "_get_layout", Symbol::layout},
    {"torch._utils", "_rebuild_tensor_v2", Symbol::rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v3", Symbol::rebuild_tensor_with_dtype},
    {"torch._utils", "_rebuild_parameter", Symbol::rebuild_parameter},
    {"torch._utils", "_rebuild_parameter_with_state", Symbol::rebuild_parameter},
    {"torch._utils", "_rebuild_wrapper_subclass", Symbol::rebuild_wrapper},
    {"torch._utils", "_rebuild_sparse_tensor", Symbol::rebuild_unsupported},
    {"torch._utils", "_rebuild_nested_tensor", Symbol::rebuild_unsupported},
    {"torch._utils", "_rebuild_qtensor", Symbol::rebuild_unsupported},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", Symbol::rebuild_unsupported},
    {"torch._tensor", "_rebuild_from_type_v2", Symbol::rebuild_typed},
    {"torch.distributed.tensor*", "DTensor", Symbol::dtensor},
    {"torch.distributed.tensor*", "DTensorSpec", Symbol::dtensor_spec},
    {"torch.distributed.tensor*", "TensorMeta", Symbol::tensor_meta},
    {"torch.fx.passes.shape_prop", "TensorMetadata", Symbol::tensor_meta},
    {"torch.distributed.tensor*", "ShardOrderEntry", Symbol::shard_order_entry},
    {"torch.distributed.tensor*", "Replicate", Symbol::replicate},
    {"torch.distributed.tensor*", "Shard", Symbol::shard},
    {"torch.distributed.tensor*", "_StridedShard", Symbol::strided_shard},
    {"torch.distributed.tensor*", "Partial", Symbol::partial},
    {"torch.distributed.tensor*", "_Partial", Symbol::partial},
    {"torch.distributed.device_mesh", "DeviceMesh", Symbol::device_mesh},
    {"torch.distributed.tensor*", "DeviceMesh", Symbol::device_mesh},
    {"torch.distributed._mesh_layout", "_MeshLayout", Symbol::mesh_layout},
    {"torch.distributed._mesh_layout", "_FlatLayout", Symbol::flat_layout},
    {"torch.distributed._shard.sharded_tensor.api", "ShardedTensor", Symbol::sharded_tensor},
    {"torch.distributed._shard.sharded_tensor.api", "ShardedTensor.ProcessGroupState", Symbol::inert},
    {"torch.distributed._shard.sharded_tensor.metadata", "ShardedTensorMetadata", Symbol::sharded_tensor_metadata},
    {"torch.distributed._shard.sharded_tensor.metadata", "TensorProperties", Symbol::inert},
    {"torch.distributed._shard.sharded_tensor.metadata", "MEM_FORMAT_ENCODING", Symbol::inert},
    {"torch.distributed._shard.sharded_tensor.shard", "Shard", Symbol::local_shard},
    {"torch.distributed._shard.metadata", "ShardMetadata", Symbol::shard_metadata},
    {"torch.distributed._shard.sharding_spec*", "ChunkShardingSpec", Symbol::inert},
    {"torch.distributed._shard.sharding_spec*", "EnumerableShardingSpec", Symbol::inert},
    {"torch.distributed.remote_device", "_remote_device", Symbol::inert},
    {"torch.distributed.checkpoint.metadata", "Metadata", Symbol::checkpoint_metadata},
    {"torch.distributed.checkpoint.metadata", "TensorStorageMetadata", Symbol::checkpoint_tensor},
    {"torch.distributed.checkpoint.metadata", "BytesStorageMetadata", Symbol::checkpoint_bytes},
    {"torch.distributed.checkpoint.metadata", "ChunkStorageMetadata", Symbol::checkpoint_record},
    {"torch.distributed.checkpoint.metadata", "MetadataIndex", Symbol::checkpoint_record},
    {"torch.distributed.checkpoint.filesystem", "_StorageInfo", Symbol::checkpoint_record},
    {"torch.distributed.checkpoint.metadata", "TensorProperties", Symbol::checkpoint_record},
    {"torch.distributed.checkpoint.metadata", "_MEM_FORMAT_ENCODING", Symbol::inert},
    {"torch.distributed.checkpoint.metadata", "StorageMeta", Symbol::inert},
    {"pathlib*", "PosixPath", Symbol::inert},
    {"pathlib*", "WindowsPath", Symbol::inert},
    {"pathlib*", "PurePosixPath", Symbol::inert},
    {"pathlib*", "PureWindowsPath", Symbol::inert},
};

bool matches(std::string_view pattern, std::string_view module) {
    if (!pattern.ends_with('*')) return pattern == module;
    pattern.remove_suffix(1);
    return module.starts_with(pattern) && (module.size() == pattern.size() || module[pattern.size()] == '.');
}

/// A class or function. In protocols before 4 a nested class is what getattr gives for the outer one and its name.
struct Name {
    std::string_view module;
    std::string_view outer;
    std::string_view inner;

    std::string local() const { return std::string(outer) + (inner.empty() ? "" : ".") + std::string(inner); }
    std::string full() const { return std::string(module) + "." + local(); }
};

std::string_view text_of(const Pickle& pickle, Ref ref) {
    const auto* text = std::get_if<Text>(&pickle.values[ref]);
    return text == nullptr ? std::string_view() : text->value;
}

std::optional<Name> global_name(const Pickle& pickle, Ref ref) {
    const auto* global = std::get_if<Global>(&pickle.values[ref]);
    if (global == nullptr) return std::nullopt;
    return Name{text_of(pickle, global->module), text_of(pickle, global->name), {}};
}

bool is_getattr(const Name& name) {
    return name.outer == "getattr" && (name.module == "builtins" || name.module == "__builtin__");
}

/// The class or function that a value is, if it is one.
std::optional<Name> resolve(const Pickle& pickle, Ref ref) {
    const auto* call = std::get_if<Made>(&pickle.values[ref]);
    if (call == nullptr) return global_name(pickle, ref);
    const std::optional<Name> callee = global_name(pickle, call->callee);
    const auto* args = std::get_if<Tuple>(&pickle.values[call->args]);
    if (!callee || !is_getattr(*callee) || args == nullptr || args->items.size() != 2) return std::nullopt;
    std::optional<Name> outer = global_name(pickle, args->items[0]);
    if (outer) outer->inner = text_of(pickle, args->items[1]);
    return outer;
}

Symbol find(const Name& name, std::span<const std::string> opaque) {
    constexpr std::string_view kOld = "torch.distributed._tensor", kNew = "torch.distributed.tensor";
    constexpr std::size_t kLongest = 1000;  // no name is; spares copies of what is none
    if (name.module.size() + name.outer.size() + name.inner.size() > kLongest) return Symbol::other;
    const std::string local = name.local();
    std::string module(name.module);
    if (module.starts_with(kOld)) module.replace(0, kOld.size(), kNew);
    for (const Known& known : kKnown) {
        if (known.name == local && matches(known.module, module)) return known.symbol;
    }
    return std::ranges::find(opaque, name.full()) == opaque.end() ? Symbol::other : Symbol::inert;
}

[[noreturn]] void refuse(const Pickle& pickle, std::string_view where, Ref ref) {
    const std::string name = name_of(pickle, ref);
    if (name.empty()) {
        throw Error(std::string(where) + " calls a value that is no class or function: nothing from a pickle is run");
    }
    const bool is_object = std::get<Made>(pickle.values[ref]).is_object;
    throw Error(std::string(where) + (is_object ? " holds an object of class '" : " calls '") + name +
                "', which is not on the allow-list: nothing from a pickle is run; if this " +
                (is_object ? "class" : "function") + " is harmless, pass --opaque " + name +
                " to let it through as an inert value");
}

std::string printable(std::string text) {
    constexpr std::size_t kLongest = 200;
    if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
    std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return text;
}

}  // namespace

std::string name_of(const Pickle& pickle, Ref ref) {
    std::optional<Name> name = resolve(pickle, ref);
    const auto* made = std::get_if<Made>(&pickle.values[ref]);
    if (!name && made != nullptr) name = resolve(pickle, made->callee);
    return name ? printable(name->full()) : std::string();
}

std::vector<Symbol> check_allowed(const Pickle& pickle, std::string_view where, std::span<const std::string> opaque) {
    std::vector<Symbol> symbols(pickle.values.size(), Symbol::other);
    for (Ref ref = 0; ref < symbols.size(); ++ref) {
        if (const std::optional<Name> name = resolve(pickle, ref)) {
            symbols[ref] = find(*name, opaque);
        } else if (const auto* made = std::get_if<Made>(&pickle.values[ref])) {
            symbols[ref] = symbols[made->callee];
            if (symbols[ref] == Symbol::other || !resolve(pickle, made->callee)) refuse(pickle, where, ref);
        }
    }
    return symbols;
}

}  // namespace unshard::torch
