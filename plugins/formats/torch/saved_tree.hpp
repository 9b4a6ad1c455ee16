// The dictionaries of a pickle, and what they hold.
#pragma once

#include "formats/torch/model_part.hpp"
#include "formats/torch/values.hpp"

#include <vector>

namespace unshard::torch {

/// A value in a dictionary that is no dictionary itself.
struct Leaf {
    Ref key = kNone;
    Ref value = kNone;
};

/// `leaves[i]` is what `entries[i]` tells of.
struct SavedTree {
    std::vector<Entry> entries;
    std::vector<Leaf> leaves;
};

/// All values below the pickle's root, which must be a dictionary: down to 64 dictionaries deep, not into lists and
/// objects. Throws Error when a dictionary has a key twice.
SavedTree read_tree(const Values& values);

}  // namespace unshard::torch
