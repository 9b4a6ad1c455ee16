// The state dict in a file: what one rank saved, or a whole model.
#pragma once

#include "formats/torch/model_part.hpp"
#include "unshard/index.hpp"
#include "unshard/tools/input_file.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace unshard::torch {

struct StateDictRequest {
    std::uint64_t rank = 0;        ///< the rank in the file's name
    std::string root = kAutoRoot;  ///< keys of nested dicts that lead to the state dict, joined by '.'; empty: the top
    std::vector<std::string> opaque = {};  ///< classes and functions to let through as inert values
    bool is_whole = false;                 ///< the file is all there is: a rank's part of a tensor is refused
};

struct StateDict {
    std::string root;                   ///< where it was found
    std::vector<SourceTensor> tensors;  ///< in the order of the file; shards have the rank, `file` 0
    std::vector<Mesh> meshes;
    std::vector<Dropped> dropped;
    std::optional<std::uint64_t> world_size;  ///< of the run, when the file states it
    bool is_before_strided_shards = false;    ///< see dtensor.hpp
};

/// Reads no tensor's bytes. Throws Error that names the file and, where it is about one, the tensor.
StateDict read_state_dict(const InputFile& file, const StateDictRequest& request);

}  // namespace unshard::torch
