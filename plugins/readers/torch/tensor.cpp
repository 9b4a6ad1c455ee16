// A tensor is a call (torch/_utils.py, torch/_tensor.py):
//     _rebuild_tensor_v2(storage, first, size, stride, requires_grad, hooks[, metadata])
//     _rebuild_tensor_v3(storage, first, size, stride, requires_grad, hooks, dtype[, metadata])
// where storage is the persistent id ('storage', class, key, location, count), the count in elements of the class. In
// v2 the class says the dtype (torch.BFloat16Storage); in v3 it is torch.UntypedStorage, of bytes. Around it there may
// be
//     _rebuild_parameter(tensor, requires_grad, hooks), _rebuild_parameter_with_state(.., state)
//     _rebuild_from_type_v2(function, class, args, state): a subclass, or a plain tensor that carries attributes
// Storages are shared between tensors, and tensors may be any strided view of theirs.

#include "torch/tensor.hpp"

#include "torch/little_endian.hpp"
#include "unshard/checked.hpp"

#include <algorithm>
#include <array>

namespace unshard::torch {
namespace {

/// Wrappers around wrappers that PyTorch writes: two at most.
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

/// A storage as a persistent id describes it.
struct Storage {
    std::optional<DType> dtype;  ///< none: of bytes, the tensor says the dtype
    std::uint64_t offset = 0;    ///< in the file
    std::uint64_t bytes = 0;
};

std::optional<DType> storage_dtype(const Values& values, Ref storage_class) {
    const auto [module, name] = values.global(storage_class);
    if (name == "UntypedStorage") return std::nullopt;
    const auto* known = std::ranges::find(kStorageClasses, name, &StorageClass::name);
    if (known != std::end(kStorageClasses)) return known->dtype;
    throw Error("its storage is " + values.describe(storage_class) + ", whose element type is not supported");
}

Storage read_storage(const SavedFile& file, Ref ref) {
    const Values& values = file.values();
    const auto* persistent = values.get_if<Persistent>(ref);
    if (persistent == nullptr) throw Error("its storage is " + values.describe(ref) + ", not a storage");
    const std::span<const Ref> id = values.sequence(persistent->id, "a persistent id");
    if (id.size() != 5 || values.text(id[0], "the kind of a persistent id") != "storage") {
        throw Error("its storage has a persistent id of a form that is not known");
    }
    const std::string key = values.text(id[2], "the key of a storage");
    const ZipEntry entry = file.storage(key);
    Storage storage{storage_dtype(values, id[1]), entry.offset, 0};
    const std::uint64_t count = values.count(id[4], "the size of a storage");
    storage.bytes = checked_mul(count, storage.dtype ? size_of(*storage.dtype) : 1);
    if (storage.bytes > entry.bytes) {
        throw Error("storage 'data/" + key + "' has " + std::to_string(entry.bytes) + " bytes, its " +
                    std::to_string(count) + " elements need " + std::to_string(storage.bytes) +
                    ": the file is damaged");
    }
    return storage;
}

/// How many elements of the storage the view reaches over.
std::uint64_t reach(const Shard& shard) {
    if (shard.shape.numel() == 0) return 0;
    std::uint64_t last = shard.first;
    for (std::size_t i = 0; i < shard.shape.rank(); ++i) {
        last = checked_add(last, checked_mul(shard.shape[i] - 1, shard.stride[i]));
    }
    return checked_add(last, 1);
}

void check_inside_storage(const StridedTensor& tensor) {
    const Shard& shard = tensor.shard;
    if (shard.stride.rank() != shard.shape.rank()) {
        throw Error("its shape " + to_string(shard.shape) + " and its stride " + to_string(shard.stride) +
                    " differ in length");
    }
    const std::uint64_t elements = shard.bytes / size_of(tensor.dtype);
    const std::uint64_t needed = reach(shard);
    if (needed <= elements) return;
    throw Error("its storage is shorter than the tensor: " + std::to_string(elements) + " elements are stored, shape " +
                to_string(shard.shape) + " with stride " + to_string(shard.stride) + " from element " +
                std::to_string(shard.first) + " on needs " + std::to_string(needed) + ": the file is damaged");
}

/// PyTorch keeps conjugation and negation of a view as flags beside the elements.
void refuse_lazy_flags(const Values& values, Ref metadata) {
    const auto flags = values.mapping(metadata);
    if (!flags) throw Error("it has metadata of a form that is not known: " + values.describe(metadata));
    for (const auto& [key, value] : *flags) {
        const auto* is_set = values.get_if<bool>(value);
        if (is_set != nullptr && !*is_set) continue;
        throw Error("it is a view with the flag '" + values.text(key, "a flag") +
                    "', which is not supported: call .resolve_conj().resolve_neg() before saving");
    }
}

bool is_rebuild(Symbol symbol) {
    return symbol >= Symbol::rebuild_tensor && symbol <= Symbol::rebuild_unsupported;
}

[[noreturn]] void refuse_class(const Values& values, Ref type) {
    throw Error("it is of class " + values.describe(type) +
                ", which is not known: if it can be left out, pass --opaque " + values.name(type));
}

/// Of _rebuild_from_type_v2(function, class, args, state).
Rebuild typed_rebuild(const Values& values, std::span<const Ref> args) {
    if (args.size() != 4)
        throw Error("a tensor of a class is rebuilt from " + std::to_string(args.size()) + " arguments, not 4");
    const Rebuild rebuild{values.symbol(args[0]), values.sequence(args[2], "the arguments of a tensor"),
                          values.symbol(args[1]), args[3]};
    if (rebuild.type == Symbol::other) refuse_class(values, args[1]);
    return rebuild;
}

}  // namespace

bool is_tensor(const Values& values, Ref ref) {
    return values.get_if<Made>(ref) != nullptr && is_rebuild(values.symbol(ref));
}

Rebuild unwrap_tensor(const Values& values, Ref ref) {
    for (int wrappers = 0; wrappers < kMaxWrappers; ++wrappers) {
        if (!is_tensor(values, ref)) throw Error("it is " + values.describe(ref) + ", not a tensor");
        Rebuild rebuild{values.symbol(ref), values.args(ref)};
        if (rebuild.function == Symbol::rebuild_typed) rebuild = typed_rebuild(values, rebuild.args);
        if (rebuild.function == Symbol::rebuild_unsupported) {
            throw Error("it is what '" + values.name(ref) +
                        "' gives: sparse, quantized, nested and meta tensors are not supported");
        }
        if (rebuild.function != Symbol::rebuild_parameter || rebuild.type == Symbol::inert) return rebuild;
        ref = nth(rebuild.args, 0, "a parameter");
    }
    throw Error("it is wrapped more than " + std::to_string(kMaxWrappers) + " times");
}

DType read_dtype(const Values& values, Ref ref) {
    const auto [module, name] = values.global(ref);
    const std::optional<DType> dtype = module == "torch" ? find_dtype(&DTypeInfo::torch, name) : std::nullopt;
    if (!dtype) throw Error("its dtype is " + values.describe(ref) + ", which is not supported");
    return *dtype;
}

StridedTensor read_strided(const SavedFile& file, const Rebuild& rebuild) {
    const Values& values = file.values();
    const bool states_dtype = rebuild.function == Symbol::rebuild_tensor_with_dtype;
    if (!states_dtype && rebuild.function != Symbol::rebuild_tensor) throw Error("it is not a dense tensor");
    const auto arg = [&](std::size_t index) { return nth(rebuild.args, index, "a tensor"); };

    const Storage storage = read_storage(file, arg(0));
    const std::size_t metadata = states_dtype ? 7 : 6;
    if (rebuild.args.size() > metadata) refuse_lazy_flags(values, rebuild.args[metadata]);
    if (!states_dtype && !storage.dtype) throw Error("neither it nor its storage says a dtype");

    StridedTensor tensor;
    tensor.dtype = states_dtype ? read_dtype(values, arg(6)) : *storage.dtype;
    tensor.shard.offset = storage.offset;
    tensor.shard.bytes = storage.bytes;
    tensor.shard.first = values.count(arg(1), "where a tensor begins");
    tensor.shard.shape = values.dims(arg(2), "a shape");
    tensor.shard.stride = values.dims(arg(3), "a stride");
    check_inside_storage(tensor);
    return tensor;
}

StridedTensor read_strided(const SavedFile& file, Ref ref) {
    const Rebuild rebuild = unwrap_tensor(file.values(), ref);
    if (rebuild.type != Symbol::tensor) throw Error("a tensor inside it is of a class that is not plain");
    return read_strided(file, rebuild);
}

std::vector<std::uint64_t> read_integers(const SavedFile& file, const StridedTensor& tensor) {
    const auto& [dtype, shard] = tensor;
    if (dtype != DType::i64 && dtype != DType::i32) throw Error("ranks are of dtype " + to_string(dtype));
    if (shard.shape.numel() > kMaxIntegers || shard.bytes > kMaxIntegers * 8) throw Error("it has too many ranks");
    const std::string bytes = file.read({shard.offset, shard.bytes});
    std::vector<std::uint64_t> integers(shard.shape.numel());
    for (std::size_t i = 0; i < integers.size(); ++i) {
        std::uint64_t rest = i, at = shard.first;
        for (std::size_t d = shard.shape.rank(); d-- > 0; rest /= shard.shape[d]) {
            at += rest % shard.shape[d] * shard.stride[d];
        }
        const std::string_view element = std::string_view(bytes).substr(at * size_of(dtype));
        const std::int64_t value =
            dtype == DType::i64 ? load_le<std::int64_t>(element) : load_le<std::int32_t>(element);
        if (value < 0) throw Error("a rank is negative: " + std::to_string(value));
        integers[i] = static_cast<std::uint64_t>(value);
    }
    return integers;
}

}  // namespace unshard::torch
