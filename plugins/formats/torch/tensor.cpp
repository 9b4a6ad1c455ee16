// A tensor is a call (torch/_utils.py, torch/_tensor.py):
//     _rebuild_tensor_v2(storage, first, size, stride, requires_grad, hooks[, metadata])
//     _rebuild_tensor_v3(storage, first, size, stride, requires_grad, hooks, dtype[, metadata])
// where storage is the persistent id ('storage', class, key, location, count), the count in elements of the class. In
// v2 the class says the dtype (torch.BFloat16Storage); in v3 it is torch.UntypedStorage, of bytes. Ascend's NPUs have
//     torch_npu.utils.storage._rebuild_npu_tensor(.. as in v2 .., format)
// whose elements are stored as a CPU has them; the format says how the device lays them out. Around it there may be
//     _rebuild_parameter(tensor, requires_grad, hooks), _rebuild_parameter_with_state(.., state)
//     _rebuild_from_type_v2(function, class, args, state): a subclass, or a plain tensor that carries attributes
// A class may wrap a weight to compute with it in another type, as torchao's float8 training does: what is stored is
// the weight. Storages are shared between tensors, and tensors may be any strided view of theirs.

#include "formats/torch/tensor.hpp"

#include "unshard/tools/checked.hpp"
#include "unshard/tools/little_endian.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>

namespace unshard::torch {
namespace {

/// PyTorch nests wrappers two deep at most.
constexpr int kMaxWrappers = 8;

/// More ranks than any training run has had.
constexpr std::uint64_t kMaxIntegers = 1 << 20;

struct StorageClass {
    std::string_view name;
    DType dtype;
};

constexpr StorageClass kStorageClasses[] = {
    {"DoubleStorage", DType::f64},    {"FloatStorage", DType::f32},        {"HalfStorage", DType::f16},
    {"BFloat16Storage", DType::bf16}, {"LongStorage", DType::i64},         {"IntStorage", DType::i32},
    {"ShortStorage", DType::i16},     {"CharStorage", DType::i8},          {"ByteStorage", DType::u8},
    {"BoolStorage", DType::boolean},  {"ComplexFloatStorage", DType::c64}, {"ComplexDoubleStorage", DType::c128},
};

/// Those of quantised tensors, which are not supported.
constexpr std::pair<std::string_view, std::uint64_t> kQuantisedElements[] = {
    {"QInt8Storage", 1}, {"QUInt8Storage", 1}, {"QInt32Storage", 4}, {"QUInt4x2Storage", 1}, {"QUInt2x4Storage", 1}};

/// A storage as a persistent id describes it.
struct Storage {
    std::optional<DType> dtype;  ///< none: of bytes, the tensor says the dtype
    std::uint64_t offset = 0;    ///< in the file
    std::uint64_t bytes = 0;
    std::optional<std::uint32_t> crc32 = {};
};

std::optional<DType> storage_dtype(const Values& values, Ref storage_class) {
    const auto [module, name] = values.global(storage_class);
    if (name == "UntypedStorage" && (module == "torch" || module == "torch.storage")) return std::nullopt;
    const auto* known = std::ranges::find(kStorageClasses, name, &StorageClass::name);
    if (known != std::end(kStorageClasses) && module == "torch") return known->dtype;
    throw Error(fmt::format("its storage is {}, whose element type is not supported", values.describe(storage_class)));
}

Storage read_storage(const SavedFile& file, Ref ref) {
    const Values& values = file.values();
    if (values.get_if<Persistent>(ref) == nullptr) {
        throw Error(fmt::format("its storage is {}, not a storage", values.describe(ref)));
    }
    const StorageId id = values.storage_id(ref);
    const std::string key(id.key.substr(0, 100));
    if (id.place == "meta") {
        throw Error(
            fmt::format("its storage 'data/{}' was on the device 'meta', which keeps no elements: save the checkpoint "
                        "from a real device",
                        key));
    }
    const ZipEntry entry = file.storage(std::string(id.key));
    Storage storage{storage_dtype(values, id.type), entry.offset, 0, entry.crc32};
    const auto count = static_cast<std::uint64_t>(id.count);
    storage.bytes = checked_mul(count, storage.dtype ? size_of(*storage.dtype) : 1);
    if (storage.bytes != entry.bytes) {
        throw Error(fmt::format(
            "storage 'data/{}' has {} bytes, its {} elements take {}: the file is damaged: copy or save it again", key,
            entry.bytes, count, storage.bytes));
    }
    return storage;
}

/// How many elements, from the storage's first one, a view needs.
std::uint64_t reach(const StridedTensor& tensor) {
    const auto& [shape, stride] = std::tie(tensor.spec.shape, tensor.spec.stride);
    if (shape.numel() == 0) return 0;
    std::uint64_t last = tensor.shard.first;
    for (std::size_t i = 0; i < shape.rank(); ++i) last = checked_add(last, checked_mul(shape[i] - 1, stride[i]));
    return checked_add(last, 1);
}

void check_inside_storage(const StridedTensor& tensor) {
    const ShardSpec& spec = tensor.spec;
    if (spec.stride.rank() != spec.shape.rank()) {
        throw Error(fmt::format("its shape {} and its stride {} differ in length", to_string(spec.shape),
                                to_string(spec.stride)));
    }
    const std::uint64_t elements = tensor.shard.bytes / size_of(tensor.dtype);
    const std::uint64_t needed = reach(tensor);
    if (needed <= elements) return;
    throw Error(
        fmt::format("its storage is shorter than the tensor: {} elements are stored, shape {} with stride {} from "
                    "element {} on needs {}: the file is damaged",
                    elements, to_string(spec.shape), to_string(spec.stride), tensor.shard.first, needed));
}

/// PyTorch keeps conjugation and negation of a view as flags beside the elements. A flag that is present counts as set,
/// whatever its value.
void refuse_lazy_flags(const Values& values, Ref metadata) {
    if (metadata == kNone) return;
    const auto flags = values.mapping(metadata);
    if (!flags) throw Error("it has metadata of a form that is not known: " + values.describe(metadata));
    if (flags->empty()) return;
    throw Error(fmt::format(
        "it is a view with the flag '{}', which is not supported: call .resolve_conj().resolve_neg() before saving",
        values.text(flags->front().first, "a flag")));
}

/// Checks the arguments requires_grad and backward_hooks of a tensor or parameter. Returns requires_grad.
bool read_gradient_args(const Values& values, Ref requires_grad, Ref hooks) {
    const auto found = values.mapping(hooks);
    if (hooks != kNone && (!found || !found->empty())) {
        throw Error(fmt::format("its backward hooks are {}, not an empty OrderedDict as PyTorch writes",
                                values.describe(hooks)));
    }
    return values.flag(requires_grad, "requires_grad");
}

/// PyTorch sets these attributes on the rebuilt tensor. Most are harmless; the ones refused here would change its
/// elements or its class.
void check_attributes(const Values& values, Ref state) {
    for (const std::string_view name : values.names_in_state(state)) {
        // A gradient is checked against its tensor, and PyTorch saves none.
        const bool is_elements = name == "data" || name == "real" || name == "imag" || name == "grad";
        if (!is_elements && !name.starts_with("__")) continue;
        throw Error(
            fmt::format("it has an attribute '{}', with which PyTorch would replace what it holds: save it without",
                        name.substr(0, 40)));
    }
}

bool is_rebuild(Symbol symbol) {
    return symbol >= Symbol::rebuild_tensor && symbol <= Symbol::rebuild_unsupported;
}

/// Whether PyTorch calls a function with so many arguments through _rebuild_from_type_v2.
bool is_count_of_args(Symbol function, std::size_t count) {
    switch (function) {
        case Symbol::rebuild_tensor:
            return count == 6 || count == 7;
        case Symbol::rebuild_tensor_with_dtype:
            return count == 7 || count == 8;
        case Symbol::rebuild_npu_tensor:
            return count == 7;
        case Symbol::rebuild_wrapper:
            return count == 8;
        default:
            return false;
    }
}

/// Checks the arguments of _rebuild_wrapper_subclass(class, dtype, size, stride, first, layout, device, requires_grad).
void check_wrapper(const Values& values, const Rebuild& rebuild) {
    const std::span<const Ref> args = rebuild.args;
    if (values.named_symbol(args[0]) != rebuild.type) {
        throw Error(fmt::format("it is rebuilt as {}, and is to be of another class", values.describe(args[0])));
    }
    if (values.dims(args[2], "a shape").rank() != values.dims(args[3], "a stride").rank()) {
        throw Error("its shape and its stride differ in length");
    }
    values.count(args[4], "where it begins");
    if (!values.is_made_by(args[5], Symbol::layout) ||
        values.view(values.args(args[5])[0], "a layout") != "torch.strided") {
        throw Error("its layout is not torch.strided");
    }
    values.flag(args[7], "requires_grad");
}

/// Reads the arguments of _rebuild_from_type_v2(function, class, args, state).
Rebuild typed_rebuild(const Values& values, std::span<const Ref> args) {
    const Ref function = args[0], type = args[1];
    Rebuild rebuild{values.named_symbol(function), {}, values.named_symbol(type), args[3]};
    if (rebuild.type == Symbol::inert || rebuild.function == Symbol::rebuild_unsupported) return rebuild;
    if (rebuild.type == Symbol::other) {
        throw Error(fmt::format("it is of class {}, which is not known: turn it into a plain tensor before saving",
                                values.describe(type)));
    }
    const auto* found = values.get_if<Tuple>(args[2]);
    if (found == nullptr || !is_count_of_args(rebuild.function, found->items.size())) {
        throw Error(fmt::format("it is rebuilt by {} in another way than PyTorch does", values.describe(function)));
    }
    rebuild.args = found->items;
    if (rebuild.function == Symbol::rebuild_wrapper) check_wrapper(values, rebuild);
    // A ShardedTensor's state is a tuple of its own; the others' states are attributes.
    if (rebuild.type != Symbol::sharded_tensor) check_attributes(values, rebuild.state);
    return rebuild;
}

bool is_wrapper(Symbol type) {
    return type == Symbol::cast_wrapper || type == Symbol::quant_wrapper;
}

/// The weight inside a wrapper that computes with it in another type.
Ref wrapped_weight(const Values& values, const Rebuild& rebuild) {
    if (rebuild.function != Symbol::rebuild_wrapper) throw Error("it is rebuilt in a way that is not known");
    const char* name = rebuild.type == Symbol::cast_wrapper ? "_tensor" : "_data";
    if (const std::optional<Ref> weight = values.in_state(rebuild.state, name)) return *weight;
    throw Error(fmt::format("it has no '{}': it is of a release of torchao that is not known yet", name));
}

}  // namespace

bool is_tensor(const Values& values, Ref ref) {
    return values.get_if<Made>(ref) != nullptr && is_rebuild(values.symbol(ref));
}

Rebuild unwrap_tensor(const Values& values, Ref ref) {
    Ref stated_dtype = kNone, stated_shape = kNone;
    bool requires_grad = false;
    for (int wrappers = 0; wrappers < kMaxWrappers; ++wrappers) {
        if (!is_tensor(values, ref)) throw Error(fmt::format("it is {}, not a tensor", values.describe(ref)));
        Rebuild rebuild{values.symbol(ref), values.args(ref)};
        if (rebuild.function == Symbol::rebuild_typed) rebuild = typed_rebuild(values, rebuild.args);
        if (rebuild.type == Symbol::inert) return rebuild;
        if (rebuild.function == Symbol::rebuild_unsupported) {
            throw Error(
                fmt::format("it is what '{}' gives: sparse, quantized, nested and meta tensors are not supported",
                            values.name(ref)));
        }
        if (is_wrapper(rebuild.type)) {
            ref = wrapped_weight(values, rebuild);
            if (stated_shape != kNone) throw Error("it is a wrapper around a wrapper, which is not known");
            stated_dtype = rebuild.args[1];
            stated_shape = rebuild.args[2];
            continue;
        }
        rebuild.stated_dtype = stated_dtype;
        rebuild.stated_shape = stated_shape;
        rebuild.requires_grad = requires_grad;
        if (rebuild.function != Symbol::rebuild_parameter) return rebuild;
        ref = rebuild.args[0];
        requires_grad = read_gradient_args(values, rebuild.args[1], rebuild.args[2]) || requires_grad;
        if (rebuild.args.size() == 4) check_attributes(values, rebuild.args[3]);
    }
    throw Error(fmt::format("it is wrapped more than {} times", kMaxWrappers));
}

namespace {

void check_stated(const Values& values, const Rebuild& rebuild, const StridedTensor& tensor) {
    if (rebuild.stated_shape == kNone) return;
    const DType dtype = read_dtype(values, rebuild.stated_dtype);
    const Dims shape = values.dims(rebuild.stated_shape, "a shape");
    if (dtype == tensor.dtype && shape == tensor.spec.shape) return;
    throw Error(fmt::format("it is {} {}, the weight inside it is {} {}", to_string(dtype), to_string(shape),
                            to_string(tensor.dtype), to_string(tensor.spec.shape)));
}

/// Dtype and sizes of the whole tensor.
std::pair<DType, std::span<const Ref>> look_at(const Values& values, const Rebuild& rebuild) {
    const std::span<const Ref> args = rebuild.args;
    if (rebuild.stated_shape != kNone) {
        return {read_dtype(values, rebuild.stated_dtype), values.sequence(rebuild.stated_shape, "a shape")};
    }
    const Ref shape = nth(args, 2, "a tensor");
    if (rebuild.function == Symbol::rebuild_wrapper) {
        return {read_dtype(values, args[1]), values.sequence(shape, "a shape")};
    }
    const bool states_dtype = rebuild.function == Symbol::rebuild_tensor_with_dtype;
    const std::optional<DType> dtype = states_dtype ? std::optional(read_dtype(values, args[6]))
                                                    : storage_dtype(values, values.storage_id(args[0]).type);
    return {dtype.value_or(DType::u8), values.sequence(shape, "a shape")};
}

}  // namespace

bool is_opaque_tensor(const Values& values, Ref tensor) {
    try {
        return unwrap_tensor(values, tensor).type == Symbol::inert;
    } catch (const Error&) {
        return false;
    }
}

bool is_weight(const Values& values, Ref tensor) {
    try {
        const Rebuild rebuild = unwrap_tensor(values, tensor);
        const auto [dtype, sizes] = look_at(values, rebuild);
        return info(dtype).is_float && !sizes.empty();
    } catch (const Error&) {
        return true;
    }
}

std::uint64_t storage_element_bytes(const Values& values, Ref storage_class) {
    const auto [module, name] = values.global(storage_class);
    const auto* quantised =
        std::ranges::find(kQuantisedElements, name, &std::pair<std::string_view, std::uint64_t>::first);
    if (quantised != std::end(kQuantisedElements) && module == "torch") return quantised->second;
    const std::optional<DType> dtype = storage_dtype(values, storage_class);
    return dtype ? size_of(*dtype) : 1;
}

DType read_dtype(const Values& values, Ref ref) {
    const auto [module, name] = values.global(ref);
    const std::optional<DType> dtype = module == "torch" ? find_dtype(&DTypeInfo::torch, name) : std::nullopt;
    if (!dtype) throw Error(fmt::format("its dtype is {}, which is not supported", values.describe(ref)));
    return *dtype;
}

StridedTensor read_strided(const SavedFile& file, const Rebuild& rebuild) {
    const Values& values = file.values();
    const bool states_dtype = rebuild.function == Symbol::rebuild_tensor_with_dtype;
    const bool is_npu = rebuild.function == Symbol::rebuild_npu_tensor;
    if (!states_dtype && !is_npu && rebuild.function != Symbol::rebuild_tensor) {
        throw Error("it is not a dense tensor");
    }
    const std::span<const Ref> args = rebuild.args;

    const Storage storage = read_storage(file, args[0]);
    bool requires_grad = read_gradient_args(values, args[4], args[5]);
    if (requires_grad && states_dtype) {
        throw Error("it is rebuilt with a gradient, which PyTorch itself refuses: save it detached");
    }
    requires_grad = requires_grad || rebuild.requires_grad;
    const std::size_t metadata = states_dtype ? 7 : 6;
    if (!states_dtype && !storage.dtype) throw Error("neither it nor its storage says a dtype");

    StridedTensor tensor;
    tensor.dtype = states_dtype ? read_dtype(values, args[6]) : *storage.dtype;
    if (args.size() > metadata && !is_npu) refuse_lazy_flags(values, args[metadata]);
    const bool is_complex = tensor.dtype == DType::c64 || tensor.dtype == DType::c128;
    if (requires_grad && !info(tensor.dtype).is_float && !is_complex) {
        throw Error(fmt::format("it requires a gradient, and {} has none", to_string(tensor.dtype)));
    }
    tensor.shard.offset = storage.offset;
    tensor.shard.bytes = storage.bytes;
    tensor.shard.crc32 = storage.crc32;
    tensor.shard.first = values.count(args[1], "where a tensor begins");
    tensor.spec.shape = values.dims(args[2], "a shape");
    tensor.spec.stride = values.dims(args[3], "a stride");
    check_inside_storage(tensor);
    check_stated(values, rebuild, tensor);
    return tensor;
}

Shard complete(StridedTensor tensor) {
    tensor.shard.spec = std::move(tensor.spec);
    return std::move(tensor.shard);
}

StridedTensor read_strided(const SavedFile& file, Ref ref) {
    const Rebuild rebuild = unwrap_tensor(file.values(), ref);
    if (rebuild.type != Symbol::tensor) throw Error("a tensor inside it is of a class that is not plain");
    return read_strided(file, rebuild);
}

std::vector<std::uint64_t> read_integers(const SavedFile& file, const StridedTensor& tensor) {
    const auto& [dtype, shard, spec] = tensor;
    if (dtype != DType::i64 && dtype != DType::i32) throw Error("ranks are of dtype " + to_string(dtype));
    if (spec.shape.numel() > kMaxIntegers || shard.bytes > kMaxIntegers * 8) throw Error("it has too many ranks");
    const std::string bytes = file.read({shard.offset, shard.bytes, shard.crc32});
    std::vector<std::uint64_t> integers(spec.shape.numel());
    for (std::size_t i = 0; i < integers.size(); ++i) {
        std::uint64_t rest = i, at = shard.first;
        for (std::size_t d = spec.shape.rank(); d-- > 0; rest /= spec.shape[d]) {
            at += rest % spec.shape[d] * spec.stride[d];
        }
        const std::string_view element = std::string_view(bytes).substr(at * size_of(dtype));
        const std::int64_t value =
            dtype == DType::i64 ? load_le<std::int64_t>(element) : load_le<std::int32_t>(element);
        if (value < 0) throw Error(fmt::format("a rank is negative: {}", value));
        integers[i] = static_cast<std::uint64_t>(value);
    }
    return integers;
}

}  // namespace unshard::torch
