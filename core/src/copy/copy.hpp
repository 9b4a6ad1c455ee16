// The last pass: the only place where tensor bytes move.
#pragma once

#include "copy/byte_progress.hpp"
#include "files/staging.hpp"
#include "geometry/lower.hpp"
#include "unshard/index.hpp"
#include "unshard/plugin.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace unshard {

struct CopySettings {
    unsigned threads = 1;
    std::uint64_t tile_bytes = 4 << 20;
    bool verify_replicas = false;
};

/// One output to be filled. The writer is needed only to encode its own encodings.
struct CopyTask {
    const Plan* plan = nullptr;
    const Layout* layout = nullptr;
    const std::vector<Destination>* destinations = nullptr;
    Stage* stage = nullptr;
    Writer* writer = nullptr;
};

struct CopyReport {
    std::uint64_t bytes_written = 0;
    std::uint64_t replicas_compared = 0;          ///< bytes
    std::uint64_t overflowed = 0;                 ///< finite values that became infinite in a narrower type
    std::vector<std::string> overflowed_tensors;  ///< names, sorted
    std::uint64_t replicas = 0;                   ///< bytes, those not compared too
};

/// Writes literals, tensors and assets of all tasks. Memory: threads x (a few tiles) whatever the tensors' sizes.
/// Throws Error when a source cannot be read, an output cannot be written, or replicas differ.
CopyReport copy(const CheckpointIndex& index, const std::vector<CopyTask>& tasks, const CopySettings& settings,
                const ProgressFn& progress);

}  // namespace unshard
