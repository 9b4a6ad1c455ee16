// Tensors as torch.save pickles them: a strided view of a storage, wrapped in calls that restore class and attributes.
#pragma once

#include "formats/torch/saved_file.hpp"
#include "unshard/index.hpp"

#include <cstdint>
#include <span>
#include <vector>

namespace unshard::torch {

/// Whether a value is a tensor of any class, readable or not, in a form that PyTorch writes.
bool is_tensor(const Values& values, Ref ref);

/// The call that rebuilds a tensor, without the wrappers for parameters and for attributes of plain tensors.
struct Rebuild {
    Symbol function = Symbol::other;
    std::span<const Ref> args;
    Symbol type = Symbol::tensor;  ///< what it becomes: tensor, dtensor, sharded_tensor; inert for an opaque class
    Ref state = kNone;             ///< what the class restores from, when it is not a plain tensor
    /// Dtype and shape as a wrapper states them again; both or neither.
    Ref stated_dtype = kNone;
    Ref stated_shape = kNone;
    bool requires_grad = false;  ///< as the parameter around it says
};

/// Whether a tensor is of a class that was let through as an inert value.
bool is_opaque_tensor(const Values& values, Ref tensor);

/// Whether a value is a tensor of floating-point numbers with at least one dimension, as weights are; or one that cannot
/// be read, which may be a weight too.
bool is_weight(const Values& values, Ref tensor);

/// Throws Error for values that are no tensors, for classes that are not known, and for attributes that change
/// elements.
Rebuild unwrap_tensor(const Values& values, Ref ref);

/// A tensor's elements. `shard` has no rank and no spec yet, and its `file` is 0; `spec` has a shape and a stride.
struct StridedTensor {
    DType dtype = DType::f32;
    Shard shard;
    ShardSpec spec;
};

/// The shard with its spec.
Shard complete(StridedTensor tensor);

/// Throws Error when the tensor is not dense, of an unknown dtype, or larger than its storage.
StridedTensor read_strided(const SavedFile& file, const Rebuild& rebuild);
/// The same, unwrapped first; it must be a plain tensor.
StridedTensor read_strided(const SavedFile& file, Ref ref);

/// How many bytes an element of a storage of this class takes; also of classes whose tensors are not supported. Throws
/// Error when that is not known.
std::uint64_t storage_element_bytes(const Values& values, Ref storage_class);

/// The DType of a value like `torch.bfloat16`. Throws Error that names an unknown one.
DType read_dtype(const Values& values, Ref ref);

/// The values of a small integer tensor, in row-major order. Throws Error when it is large, negative or not of
/// integers.
std::vector<std::uint64_t> read_integers(const SavedFile& file, const StridedTensor& tensor);

}  // namespace unshard::torch
