// From the metadata's chunks to shards: where each one's elements lie in the data files.
#pragma once

#include "metadata.hpp"
#include "unshard/index.hpp"
#include "unshard/request.hpp"

#include <span>
#include <string>
#include <vector>

namespace unshard::dcp {

/// Reads the head of every chunk, on up to `threads` threads. `names` are the files' names in the checkpoint. Adds to
/// `files` the unpacked contents of packed chunks. Throws Error that names file and tensor.
std::vector<SourceTensor> locate_chunks(const std::vector<Tensor>& tensors, std::vector<SourceFile>& files,
                                        const std::vector<std::string>& names, std::span<const std::string> opaque,
                                        unsigned threads, const Progress& progress);

}  // namespace unshard::dcp
