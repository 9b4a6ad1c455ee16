// Compares two models: tensors that only one has, tensors that differ, and by how much.
#pragma once

#include "diff/compare.hpp"
#include "diff/configuration.hpp"
#include "engine.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace unshard {

/// A tensor of one side.
struct DiffTensor {
    std::string name;
    std::string type;  ///< a DType's name, or that of the blocks it is stored in
    Dims shape;        ///< in elements
    std::string why;   ///< why the other side does not have it, where that is known
};

struct DifferentTensor {
    DiffTensor a, b;
    /// Empty when the values were not compared: two shapes, or blocks and something else.
    std::optional<PairDifference> difference;
    bool is_bytes = false;  ///< stored in blocks: differing bytes are counted, values are not known
};

struct DiffReport {
    struct Side {
        std::string path, format, reader, merger;
        std::uint64_t tensors = 0;
        std::vector<Dropped> dropped;
    };
    Side a, b;
    std::vector<DiffTensor> only_in_a, only_in_b;
    std::vector<DifferentTensor> different;
    std::uint64_t equal_tensors = 0;
    ConfigurationDifference configuration;
    std::uint64_t bytes_compared = 0;  ///< of both sides
    double seconds = 0;

    bool is_same() const {
        return only_in_a.empty() && only_in_b.empty() && different.empty() && configuration.different.empty();
    }
};

/// Reads, merges and selects both as a conversion would, then compares what the outputs would hold. Outputs of the
/// pipelines do not matter; threads and tiles are those of `a`. Throws Error or UsageError.
DiffReport diff(const Pipeline& a, const Pipeline& b, Observer& observer);

/// For people: only what differs, layers together, and a line that sums up.
std::string to_text(const DiffReport& report);

/// Everything, for scripts.
nlohmann::ordered_json to_json(const DiffReport& report);

}  // namespace unshard
