// What one tensor takes of another, as files of configs/ say it:
//
//     permute   = "heads"                      rows of each of so many heads from two halves to pairs
//     transpose = true                         the last two dimensions swapped
//     view      = ["heads", "nope + v", "rank"]     or in general: seen in this shape,
//     take      = [1, 0, "nope"]                    a range of one axis of it: [axis, first, count],
//     axes      = [0, 2, 1]                         its axes in this order,
//     shape     = ["heads * rank", "nope"]          called this shape
#pragma once

#include "models/document.hpp"
#include "models/expression.hpp"
#include "unshard/dims.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

namespace unshard {

struct TensorView {
    struct Take {
        std::uint32_t axis = 0;
        Expression first;
        Expression count;
    };

    std::optional<Expression> permute;
    bool transpose = false;
    std::vector<Expression> view;
    std::optional<Take> take;
    std::vector<std::uint32_t> axes;
    std::vector<Expression> shape;

    /// Whether it is the tensor as it is.
    bool is_whole() const { return !permute && !transpose && view.empty(); }
};

/// Reads the keys above of a table. `expression` makes an expression of a value. Throws UsageError with file:line:column
/// when they do not fit together.
TensorView tensor_view_of(const Node& table, const std::function<Expression(const Node&)>& expression);

/// A tensor seen in a shape, a box of that, its axes in another order, and what the result is called.
struct TakenPart {
    Dims view;
    Box box;
    std::vector<std::uint32_t> axes = {};  ///< empty: in order
    Dims shape;
};

/// What is taken of a tensor of this shape. Throws Error when a size is negative, or the shape is not one of so many
/// heads, or does not fit what is taken.
TakenPart taken_part(const TensorView& view, const Dims& shape, const Values& values, const Placeholders& at);

}  // namespace unshard
