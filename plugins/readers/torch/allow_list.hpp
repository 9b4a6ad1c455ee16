// The classes and functions that may stand in a pickle. Nothing is ever imported or run; the list keeps what is read to
// what is understood.
#pragma once

#include "torch/pickle.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace unshard::torch {

/// What a class or function is to this library, whatever module a release of PyTorch keeps it in.
enum class Symbol : std::uint8_t {
    other,  ///< not a class or function, or one that is only mentioned, as dtypes are
    inert,  ///< let through, never looked at
    mapping,
    size,
    layout,
    tensor,
    rebuild_tensor,
    rebuild_tensor_with_dtype,
    rebuild_parameter,
    rebuild_typed,
    rebuild_wrapper,
    rebuild_unsupported,
    dtensor,
    dtensor_spec,
    tensor_meta,
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
    local_shard,
    shard_metadata,
    checkpoint_metadata,
    checkpoint_tensor,
    checkpoint_bytes,
    checkpoint_record,  ///< a part of the two before it: a chunk, its key or its place
};

/// "module.name" of a class or function; of what a value was made by, for a call or an object. For messages: cut to a
/// sane length, without control characters. Empty for other values.
std::string name_of(const Pickle& pickle, Ref ref);

/// For each value of the pickle: which class or function it is, or was made by. `where` names the pickle in messages.
/// Throws Error at the first call of, or object of, something that is neither on the list nor in `opaque`
/// ("os.system").
std::vector<Symbol> check_allowed(const Pickle& pickle, std::string_view where, std::span<const std::string> opaque);

}  // namespace unshard::torch
