// The list covers what torch.save writes for state dicts of PyTorch 2.1 to 2.13: tensors, DTensors and ShardedTensors;
// and the metadata of torch.distributed.checkpoint. Each entry has a form: how many arguments PyTorch passes, and
// whether a state or items follow. A class of the list in another form is treated like a class that is not on the list.
// torch.Tensor() filled by a state has such a form: no PyTorch since 2018 has saved it.
//
// Releases moved the DTensor classes: torch.distributed._tensor (2.1 to 2.4) became torch.distributed.tensor, and the
// submodules changed. So names are looked up in the later package, and a trailing '*' matches its submodules too.

#include "formats/torch/allow_list.hpp"

#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace unshard::torch {
namespace {

enum class State : std::uint8_t { none, attributes, tuple };

/// How a value may be made: by a call, or as an object of a class; from how many arguments; what is set on it
/// afterwards.
struct Form {
    bool is_called = false, is_object = false;
    std::size_t least_args = 0, most_args = 0;
    State state = State::none;
    bool has_items = false;  ///< those of a dictionary
    bool is_free = false;    ///< any form is accepted: no reader looks at the value
};

constexpr Form kNamed{};  // only named, as the argument of a call
constexpr Form kFree{.is_free = true};
constexpr Form kMapping{.is_called = true, .is_object = true, .state = State::attributes, .has_items = true};
constexpr Form kDefaultMapping{.is_called = true, .most_args = 1, .has_items = true};
constexpr Form kObject{.is_object = true, .state = State::attributes};
constexpr Form kTupleObject{.is_object = true, .state = State::tuple};

constexpr Form call(std::size_t least, std::size_t most) {
    return {.is_called = true, .least_args = least, .most_args = most};
}
constexpr Form call(std::size_t args) {
    return call(args, args);
}
/// A named tuple.
constexpr Form record(std::size_t fields) {
    return {.is_object = true, .least_args = fields, .most_args = fields};
}

struct Known {
    std::string_view module;
    std::string_view name;
    Symbol symbol;
    Form form;
};

constexpr Known kKnown[] = {
    {"collections", "OrderedDict", Symbol::mapping, kMapping},
    {"collections", "defaultdict", Symbol::mapping, kDefaultMapping},
    {"_codecs", "encode", Symbol::inert, kFree},
    {"_io", "BytesIO", Symbol::inert, kFree},
    {"torch", "device", Symbol::device, call(1, 2)},
    {"torch", "Size", Symbol::size, call(1)},
    {"torch", "Tensor", Symbol::tensor, kNamed},
    {"torch.nn.parameter", "Parameter", Symbol::tensor, kNamed},
    {"torch.nn.parameter", "Buffer", Symbol::tensor, kNamed},
    {"torch.serialization", "_get_layout", Symbol::layout, call(1)},
    {"torch._utils", "_rebuild_tensor_v2", Symbol::rebuild_tensor, call(6, 7)},
    {"torch._utils", "_rebuild_tensor_v3", Symbol::rebuild_tensor_with_dtype, call(7, 8)},
    {"torch_npu.utils.storage", "_rebuild_npu_tensor", Symbol::rebuild_npu_tensor, call(7)},
    {"torch._utils", "_rebuild_parameter", Symbol::rebuild_parameter, call(3)},
    {"torch._utils", "_rebuild_parameter_with_state", Symbol::rebuild_parameter, call(4)},
    {"torch._utils", "_rebuild_wrapper_subclass", Symbol::rebuild_wrapper, call(8)},
    {"torch._utils", "_rebuild_sparse_tensor", Symbol::rebuild_unsupported, kFree},
    {"torch._utils", "_rebuild_nested_tensor", Symbol::rebuild_unsupported, kFree},
    {"torch._utils", "_rebuild_qtensor", Symbol::rebuild_unsupported, kFree},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", Symbol::rebuild_unsupported, kFree},
    {"torch._tensor", "_rebuild_from_type_v2", Symbol::rebuild_typed, call(4)},
    {"torchao.float8*", "WeightWithDynamicFloat8CastTensor", Symbol::cast_wrapper, kNamed},
    {"torchao.float8*", "WeightWithDelayedFloat8CastTensor", Symbol::cast_wrapper, kNamed},
    {"torchao.float8*", "WeightWithStaticFloat8CastTensor", Symbol::cast_wrapper, kNamed},
    {"torchao.prototype.moe_training*", "ScaledGroupedMMTensor", Symbol::quant_wrapper, kNamed},
    {"torchao.prototype.moe_training*", "Float8TrainingWeightWrapperTensor", Symbol::quant_wrapper, kNamed},
    {"torchao.prototype.moe_training*", "MXFP8TrainingWeightWrapperTensor", Symbol::quant_wrapper, kNamed},
    {"torchao.prototype.quantized_training*", "Int8MixedPrecisionTrainingLinearWeight", Symbol::quant_wrapper, kNamed},
    {"torch.distributed.tensor*", "DTensor", Symbol::dtensor, kNamed},
    {"torch.distributed.tensor*", "DTensorSpec", Symbol::dtensor_spec, kObject},
    {"torch.distributed.tensor*", "TensorMeta", Symbol::tensor_meta, record(3)},
    {"torch.fx.passes.shape_prop", "TensorMetadata", Symbol::tensor_meta_of_fx, record(7)},
    {"torch.distributed.tensor*", "ShardOrderEntry", Symbol::shard_order_entry, record(2)},
    {"torch.distributed.tensor*", "Replicate", Symbol::replicate, kObject},
    {"torch.distributed.tensor*", "Shard", Symbol::shard, kObject},
    {"torch.distributed.tensor*", "_StridedShard", Symbol::strided_shard, kObject},
    {"torch.distributed.tensor*", "Partial", Symbol::partial, kObject},
    {"torch.distributed.tensor*", "_Partial", Symbol::partial, kObject},
    {"torch.distributed.device_mesh", "DeviceMesh", Symbol::device_mesh, kObject},
    {"torch.distributed.tensor*", "DeviceMesh", Symbol::device_mesh, kObject},
    {"torch.distributed._mesh_layout", "_MeshLayout", Symbol::mesh_layout, kObject},
    {"torch.distributed._mesh_layout", "_FlatLayout", Symbol::flat_layout, kObject},
    {"torch.distributed._shard.sharded_tensor.api", "ShardedTensor", Symbol::sharded_tensor, kNamed},
    {"torch.distributed._shard.sharded_tensor.api", "ShardedTensor.ProcessGroupState", Symbol::process_group_state,
     kObject},
    {"torch.distributed._shard.sharded_tensor.metadata", "ShardedTensorMetadata", Symbol::sharded_tensor_metadata,
     kObject},
    {"torch.distributed._shard.sharded_tensor.metadata", "TensorProperties", Symbol::inert, kFree},
    {"torch.distributed._shard.sharded_tensor.metadata", "MEM_FORMAT_ENCODING", Symbol::inert, kFree},
    {"torch.distributed._shard.sharded_tensor.shard", "Shard", Symbol::local_shard, kObject},
    {"torch.distributed._shard.metadata", "ShardMetadata", Symbol::shard_metadata, kObject},
    {"torch.distributed._shard.sharding_spec*", "ChunkShardingSpec", Symbol::inert, kFree},
    {"torch.distributed._shard.sharding_spec*", "EnumerableShardingSpec", Symbol::inert, kFree},
    {"torch.distributed.remote_device", "_remote_device", Symbol::inert, kFree},
    {"torch.distributed.checkpoint.metadata", "Metadata", Symbol::checkpoint_metadata, kObject},
    {"torch.distributed.checkpoint.metadata", "TensorStorageMetadata", Symbol::checkpoint_tensor, kObject},
    {"torch.distributed.checkpoint.metadata", "BytesStorageMetadata", Symbol::checkpoint_bytes, kObject},
    {"torch.distributed.checkpoint.metadata", "ChunkStorageMetadata", Symbol::checkpoint_record, kObject},
    {"torch.distributed.checkpoint.metadata", "MetadataIndex", Symbol::checkpoint_record, kObject},
    {"torch.distributed.checkpoint.filesystem", "_StorageInfo", Symbol::checkpoint_record, kObject},
    {"torch.distributed.checkpoint.metadata", "TensorProperties", Symbol::checkpoint_record, kTupleObject},
    {"torch.distributed.checkpoint.metadata", "_MEM_FORMAT_ENCODING", Symbol::inert, kFree},
    {"torch.distributed.checkpoint.metadata", "StorageMeta", Symbol::inert, kFree},
    {"pathlib*", "PosixPath", Symbol::inert, kFree},
    {"pathlib*", "WindowsPath", Symbol::inert, kFree},
    {"pathlib*", "PurePosixPath", Symbol::inert, kFree},
    {"pathlib*", "PureWindowsPath", Symbol::inert, kFree},
};

/// The entry of each name in `opaque`.
constexpr Known kOpaque{"", "", Symbol::inert, kFree};

/// Modules whose functions start programs, open files and connections, or load code. No checkpoint calls them.
constexpr std::string_view kCommandModules[] = {"_pickle",
                                                "_posixsubprocess",
                                                "aiohttp",
                                                "asyncio",
                                                "bdb",
                                                "cProfile",
                                                "code",
                                                "codeop",
                                                "commands",
                                                "ctypes",
                                                "distutils",
                                                "doctest",
                                                "ensurepip",
                                                "ftplib",
                                                "http",
                                                "httplib",
                                                "httpx",
                                                "idlelib",
                                                "imaplib",
                                                "imp",
                                                "importlib",
                                                "lib2to3",
                                                "logging.config",
                                                "marshal",
                                                "multiprocessing",
                                                "nntplib",
                                                "nt",
                                                "numpy.distutils",
                                                "numpy.f2py",
                                                "numpy.testing",
                                                "os",
                                                "pdb",
                                                "pickle",
                                                "pip",
                                                "pkgutil",
                                                "popen2",
                                                "poplib",
                                                "posix",
                                                "profile",
                                                "pty",
                                                "pydoc",
                                                "requests",
                                                "runpy",
                                                "shelve",
                                                "shutil",
                                                "smtplib",
                                                "socket",
                                                "ssl",
                                                "subprocess",
                                                "sys",
                                                "telnetlib",
                                                "timeit",
                                                "torch._inductor",
                                                "torch.hub",
                                                "torch.utils.cpp_extension",
                                                "trace",
                                                "urllib",
                                                "venv",
                                                "webbrowser",
                                                "xmlrpc",
                                                "zipimport"};
constexpr std::string_view kCommandBuiltins[] = {"__import__", "apply",    "breakpoint", "compile", "delattr", "eval",
                                                 "exec",       "execfile", "input",      "open",    "FileIO"};

bool matches(std::string_view pattern, std::string_view module) {
    if (!pattern.ends_with('*')) return pattern == module;
    pattern.remove_suffix(1);
    return module.starts_with(pattern) && (module.size() == pattern.size() || module[pattern.size()] == '.');
}

/// A class or function. In protocols before 4 a nested class is pickled as getattr(outer class, name).
struct Name {
    std::string_view module;
    std::string_view outer;
    std::string_view inner;

    std::string local() const { return fmt::format("{}{}{}", outer, inner.empty() ? "" : ".", inner); }
    std::string full() const { return fmt::format("{}.{}", module, local()); }
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

bool is_builtin(const Name& name) {
    return name.module == "builtins" || name.module == "__builtin__";
}

/// The class or function that a value is, if it is one.
std::optional<Name> resolve(const Pickle& pickle, Ref ref) {
    const auto* call = std::get_if<Made>(&pickle.values[ref]);
    if (call == nullptr) return global_name(pickle, ref);
    const std::optional<Name> callee = global_name(pickle, call->callee);
    const auto* args = std::get_if<Tuple>(&pickle.values[call->args]);
    if (!callee || !is_builtin(*callee) || callee->outer != "getattr" || args == nullptr || args->items.size() != 2 ||
        call->is_object || call->state != kNone || call->contents != kNone) {
        return std::nullopt;
    }
    std::optional<Name> outer = global_name(pickle, args->items[0]);
    if (outer) outer->inner = text_of(pickle, args->items[1]);
    if (outer && outer->inner.empty()) return std::nullopt;
    return outer;
}

/// No real name is this long. Checked first, so that long texts of a hostile pickle are not copied.
bool is_overlong(const Name& name) {
    return name.module.size() + name.outer.size() + name.inner.size() > 1000;
}

const Known* find(const Name& name, std::span<const std::string> opaque) {
    constexpr std::string_view kOld = "torch.distributed._tensor", kNew = "torch.distributed.tensor";
    if (is_overlong(name)) return nullptr;
    const std::string local = name.local();
    std::string module(name.module);
    if (module.starts_with(kOld)) module.replace(0, kOld.size(), kNew);
    for (const Known& known : kKnown) {
        if (known.name == local && matches(known.module, module)) return &known;
    }
    return std::ranges::find(opaque, name.full()) == opaque.end() ? nullptr : &kOpaque;
}

bool has_attributes(const Pickle& pickle, Ref state) {
    const auto is_dict = [&](Ref ref) { return ref == kNone || std::holds_alternative<Dict>(pickle.values[ref]); };
    const auto* parts = std::get_if<Tuple>(&pickle.values[state]);
    return parts == nullptr ? is_dict(state) : parts->items.size() == 2 && std::ranges::all_of(parts->items, is_dict);
}

bool fits_state(const Pickle& pickle, const Form& form, Ref state) {
    switch (form.state) {
        case State::attributes:
            return has_attributes(pickle, state);
        case State::tuple:
            return std::holds_alternative<Tuple>(pickle.values[state]);
        case State::none:
            break;
    }
    return state == kNone;
}

bool fits(const Pickle& pickle, const Form& form, const Made& made) {
    if (form.is_free) return true;
    if (made.is_object ? !form.is_object : !form.is_called) return false;
    const auto* args = std::get_if<Tuple>(&pickle.values[made.args]);
    if (args == nullptr || args->items.size() < form.least_args || args->items.size() > form.most_args) return false;
    if (made.kwargs != kNone || !fits_state(pickle, form, made.state)) return false;
    return made.contents == kNone || (form.has_items && std::holds_alternative<Dict>(pickle.values[made.contents]));
}

bool runs_commands(const Name& name) {
    if (is_builtin(name) || name.module == "io" || name.module == "_io") {
        return std::ranges::find(kCommandBuiltins, name.outer) != std::end(kCommandBuiltins);
    }
    return std::ranges::any_of(kCommandModules, [&](std::string_view module) {
        return name.module == module || (name.module.starts_with(module) && name.module[module.size()] == '.');
    });
}

std::string printable(std::string text) {
    constexpr std::size_t kLongest = 200;
    if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
    std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
    return text;
}

std::string printable(const Name& name) {
    return printable(is_overlong(name) ? fmt::format("{}.{}...", name.module.substr(0, 100), name.outer.substr(0, 100))
                                       : name.full());
}

/// Throws Error for what would start programs, unless `opaque` lists it.
void refuse_commands(const Name& name, const Known* known, std::string_view where) {
    if (known != nullptr || !runs_commands(name)) return;
    throw Error(
        fmt::format("{} calls '{}', which Python would run when it loads the file; unshard runs nothing of it, and "
                    "does not believe the rest: get the checkpoint from where it was trained",
                    where, printable(name)));
}

}  // namespace

std::string name_of(const Pickle& pickle, Ref ref) {
    std::optional<Name> name = resolve(pickle, ref);
    const auto* made = std::get_if<Made>(&pickle.values[ref]);
    if (!name && made != nullptr) name = resolve(pickle, made->callee);
    return name ? printable(*name) : std::string();
}

bool is_known_in_another_form(const Pickle& pickle, Ref ref) {
    const auto* made = std::get_if<Made>(&pickle.values[ref]);
    if (made == nullptr) return false;
    const std::optional<Name> name = resolve(pickle, made->callee);
    return name && find(*name, {}) != nullptr;
}

std::vector<Symbol> check_allowed(const Pickle& pickle, std::string_view where, std::span<const std::string> opaque) {
    std::vector<Symbol> symbols(pickle.values.size(), Symbol::other);
    std::vector<const Known*> known(pickle.values.size(), nullptr);
    for (Ref ref = 0; ref < symbols.size(); ++ref) {
        const auto* made = std::get_if<Made>(&pickle.values[ref]);
        if (const std::optional<Name> name = resolve(pickle, ref)) {
            known[ref] = find(*name, opaque);
            if (known[ref] != nullptr) symbols[ref] = known[ref]->symbol;
            if (made != nullptr) refuse_commands(*name, known[ref], where);
        } else if (made != nullptr) {
            const std::optional<Name> callee = resolve(pickle, made->callee);
            if (callee) refuse_commands(*callee, known[made->callee], where);
            const Known* by = callee ? known[made->callee] : nullptr;
            symbols[ref] = by != nullptr && fits(pickle, by->form, *made) ? by->symbol : Symbol::unknown;
        }
    }
    return symbols;
}

}  // namespace unshard::torch
