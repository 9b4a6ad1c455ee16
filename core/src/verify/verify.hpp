// The engine trusts no plugin: what readers, mergers and writers said is proved consistent before any file exists.
#pragma once

#include "geometry/lower.hpp"
#include "unshard/index.hpp"
#include "unshard/layout.hpp"

namespace unshard {

/// Shards lie inside their files, shapes and strides inside their storage, meshes and placements are sound, names
/// unique and printable. Throws Error that lists up to 20 problems.
void verify_index(const CheckpointIndex& index);

/// No tensor is stored in blocks. Throws Error that names the first that is.
void verify_plain(const CheckpointIndex& index);

/// Copies stay inside their storage and cover each tensor exactly once. Throws Error that lists up to 20 problems.
void verify_plan(const CheckpointIndex& index, const Plan& plan);

/// Literals and destinations cover every byte of every file exactly once; file and asset names are plain relative
/// paths, none twice; encodings are known and fit the rows. Throws Error that lists up to 20 problems.
void verify_layout(const Plan& plan, const Layout& layout, const std::vector<Destination>& destinations);

}  // namespace unshard
