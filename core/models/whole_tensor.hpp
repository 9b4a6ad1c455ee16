// A tensor of the rules with the numbers of one model in it.
#pragma once

#include "models/rules.hpp"
#include "unshard/dims.hpp"

#include <cstdint>
#include <vector>

namespace unshard {

/// Rows that lie together in a whole tensor, and how many of them cannot be split (0: any number can).
struct Section {
    std::uint64_t size = 0;
    std::uint64_t unit = 0;
    friend bool operator==(const Section&, const Section&) = default;
};

struct WholeTensor {
    Dims shape;
    Split split = Split::replicated;
    std::size_t split_dim = 0;
    std::vector<Section> sections;  ///< of split_dim: what it is made of, in order
    bool is_stacked = false;        ///< dimension 0 counts experts
    friend bool operator==(const WholeTensor&, const WholeTensor&) = default;
};

/// How many values a placeholder takes: the name with an s, `layers` for {layer}. Throws Error when it is not sensible.
std::uint64_t count_of(const std::string& placeholder, const Values& values);

/// Whether the model has the tensor: its numbers are in range and its condition holds.
bool is_in_model(const ModelRules& rules, const NameMatch& match, const Values& values);

/// Throws Error when an expression has no value or a shape is not one.
WholeTensor whole_tensor(const TensorRule& rule, const Values& values, const Placeholders& at);
WholeTensor whole_tensor(const ModelRules& rules, const FusedRule& rule, const Values& values, const Placeholders& at);

/// Whether a tensor of this rule has more rows than there are tokens, and is else as `expected`.
bool has_extra_rows(const TensorRule& rule, const Dims& found, const Dims& expected);

}  // namespace unshard
