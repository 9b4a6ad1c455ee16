// The comparison pass: like the copy pass, tile by tile, but with two tiles that are compared in memory.
#pragma once

#include "copy/byte_progress.hpp"
#include "diff/values.hpp"
#include "engine.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace unshard {

/// Two tensors of one shape, by their numbers in the plans.
struct TensorPair {
    std::size_t a = 0;
    std::size_t b = 0;
};

struct PairDifference {
    ValueDifference values;
    std::string first_values;  ///< "0.5 and 0.25": of the first element that differs
};

/// The bytes that `compare` reads of both sides: the end of the progress.
std::uint64_t bytes_to_compare(const Model& a, const Model& b, const std::vector<TensorPair>& pairs);

/// One result for each pair. Memory: threads x (a few tiles). Throws Error when a source cannot be read, or when what
/// should be replicas differs within one side.
std::vector<PairDifference> compare(const Model& a, const Model& b, const std::vector<TensorPair>& pairs,
                                    const CopySettings& settings, const ProgressFn& progress);

}  // namespace unshard
