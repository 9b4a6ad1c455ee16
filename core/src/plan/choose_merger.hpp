// Which merger "auto" is.
#pragma once

#include "pipeline/pipeline.hpp"
#include "unshard/index.hpp"

#include <string>

namespace unshard {

/// Whether several ranks saved it, and none of their shards says where it belongs.
bool states_no_geometry(const CheckpointIndex& index);

/// Whether the shape of some tensors is not stated, so that they end where their last known piece ends: as in files of
/// dcp_hf.
bool has_open_shapes(const CheckpointIndex& index);

/// What may be the cause when merged tensors have other shapes than config.json says, in brackets; empty when nothing
/// in the index points to one.
std::string cause_of_other_shapes(const CheckpointIndex& index);

/// The merger that the pipeline names. "auto" is placement, which works from what the checkpoint states; where none of
/// several ranks states anything, whole copies and parts look alike: throws Error that lists the tensors and says what
/// to pass for each case.
std::string choose_merger(const Pipeline::Merge& merge, const CheckpointIndex& index);

}  // namespace unshard
