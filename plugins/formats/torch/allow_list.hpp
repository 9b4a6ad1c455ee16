// The classes and functions that may stand in a pickle, and the forms in which PyTorch writes them. Nothing is ever
// imported or run; the list keeps what is read to what is understood.
#pragma once

#include "formats/torch/pickle.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unshard::torch {

/// The classes and functions that this library knows, whatever module a release of PyTorch keeps them in.
enum class Symbol : std::uint8_t {
    other,    ///< not a class or function, or one that is not on the list, as dtypes are
    unknown,  ///< made by what is not on the list, or in another form than PyTorch writes: refused when it is read
    inert,    ///< let through, never looked at
    mapping,
    size,
    layout,
    device,
    tensor,
    rebuild_tensor,
    rebuild_tensor_with_dtype,
    rebuild_npu_tensor,
    rebuild_parameter,
    rebuild_typed,
    rebuild_wrapper,
    rebuild_unsupported,
    cast_wrapper,   ///< a weight that is cast while it is used; what is stored is the weight itself, in '_tensor'
    quant_wrapper,  ///< the same, in '_data'
    dtensor,
    dtensor_spec,
    tensor_meta,
    tensor_meta_of_fx,  ///< as TensorMeta, of 2.1 to 2.3: the dtype is the second field
    shard_order_entry,
    device_mesh,
    mesh_layout,
    flat_layout,
    replicate,
    shard,
    strided_shard,
    partial,
    sharded_tensor,
    sharded_tensor_metadata,
    process_group_state,
    local_shard,
    shard_metadata,
    checkpoint_metadata,
    checkpoint_tensor,
    checkpoint_bytes,
    checkpoint_record,  ///< a part of the two before it: a chunk, its key or its place
};

/// "module.name" of a class or function; for a call or an object, of the function or class that made it. For messages:
/// cut to a sane length, without control characters. Empty for other values.
std::string name_of(const Pickle& pickle, Ref ref);

/// Whether a value was made by a class or function of the list, but in another form than PyTorch writes.
bool is_known_in_another_form(const Pickle& pickle, Ref ref);

/// For each value of the pickle: which class or function it is, or was made by. What is neither on the list nor in
/// `opaque` ("os.system") becomes `unknown`, which is an error only where a reader needs the value. `where` names the
/// pickle in messages. Throws Error when loading the pickle with Python would run commands: then nothing in it can be
/// trusted.
std::vector<Symbol> check_allowed(const Pickle& pickle, std::string_view where, std::span<const std::string> opaque);

}  // namespace unshard::torch
