#include "models/tensor_view.hpp"

#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <numeric>
#include <utility>

namespace unshard {
namespace {

std::vector<Expression> expressions(const Node& table, std::string_view key,
                                    const std::function<Expression(const Node&)>& expression) {
    std::vector<Expression> result;
    if (!table.has(key)) return result;
    for (const Node& item : table.at(key).items()) result.push_back(expression(item));
    return result;
}

std::uint32_t axis_of(const Node& node, const TensorView& in) {
    const std::uint64_t value = node.count(0, UINT32_MAX);
    if (value >= in.view.size()) node.fail(fmt::format("'view' has no axis {}", value));
    return static_cast<std::uint32_t>(value);
}

std::uint64_t size_of_expression(const Expression& expression, const Values& values, const Placeholders& at) {
    const std::int64_t size = expression.value(values, at);
    if (size < 0) throw Error(fmt::format("'{}' is {}, a size", expression.text(), size));
    return static_cast<std::uint64_t>(size);
}

Dims dims_of(const std::vector<Expression>& expressions, const Values& values, const Placeholders& at) {
    Dims dims;
    for (const Expression& e : expressions) dims.push_back(size_of_expression(e, values, at));
    return dims;
}

std::vector<std::uint32_t> in_order(std::size_t rank) {
    std::vector<std::uint32_t> axes(rank);
    std::iota(axes.begin(), axes.end(), 0U);
    return axes;
}

/// transformers rotates row i of a head with row i + n / 2, llama.cpp rotates neighbours: rows are put in pairs.
TakenPart permuted(const Dims& shape, std::uint64_t heads) {
    if (shape.empty() || heads == 0 || shape[0] % (2 * heads) != 0) {
        throw Error(fmt::format("the shape {} is not one of {} heads of two halves", to_string(shape), heads));
    }
    Dims view{heads, 2, shape[0] / heads / 2};
    for (std::size_t i = 1; i < shape.rank(); ++i) view.push_back(shape[i]);
    std::vector<std::uint32_t> axes = in_order(view.rank());
    std::swap(axes[1], axes[2]);
    return {view, Box::whole(view), std::move(axes), shape};
}

TakenPart transposed(const Dims& shape) {
    if (shape.rank() < 2) throw Error(fmt::format("the shape {} cannot be transposed", to_string(shape)));
    std::vector<std::uint32_t> axes = in_order(shape.rank());
    std::swap(axes[shape.rank() - 1], axes[shape.rank() - 2]);
    Dims result;
    for (const std::uint32_t axis : axes) result.push_back(shape[axis]);
    return {shape, Box::whole(shape), std::move(axes), result};
}

TakenPart viewed(const TensorView& rule, const Values& values, const Placeholders& at) {
    const Dims view = dims_of(rule.view, values, at);
    Box box = Box::whole(view);
    if (rule.take) {
        box.origin[rule.take->axis] = size_of_expression(rule.take->first, values, at);
        box.extent[rule.take->axis] = size_of_expression(rule.take->count, values, at);
    }
    Dims written;
    for (const std::uint32_t axis : rule.axes.empty() ? in_order(view.rank()) : rule.axes) {
        written.push_back(box.extent[axis]);
    }
    const Dims shape = rule.shape.empty() ? written : dims_of(rule.shape, values, at);
    if (shape.numel() != written.numel()) {
        throw Error(fmt::format("its shape {} differs from what is taken, {}", to_string(shape), to_string(written)));
    }
    return {view, box, rule.axes, shape};
}

}  // namespace

TensorView tensor_view_of(const Node& table, const std::function<Expression(const Node&)>& expression) {
    TensorView result;
    result.transpose = table.flag("transpose");
    if (table.has("permute")) result.permute = expression(table.at("permute"));
    result.view = expressions(table, "view", expression);
    result.shape = expressions(table, "shape", expression);
    if (result.view.empty() && !result.shape.empty()) table.fail("'shape' needs 'view'");
    if (!result.view.empty() && (result.permute || result.transpose)) {
        table.fail("'view' says it all: 'permute' and 'transpose' are for targets without it");
    }
    if (table.has("take")) {
        const std::vector<Node> take = table.at("take").items();
        if (take.size() != 3) table.at("take").fail("'take' is [axis, first, count]");
        result.take = TensorView::Take{axis_of(take[0], result), expression(take[1]), expression(take[2])};
    }
    if (table.has("axes")) {
        for (const Node& item : table.at("axes").items()) result.axes.push_back(axis_of(item, result));
        if (result.axes.size() != result.view.size()) table.fail("'axes' and 'view' differ in length");
    }
    return result;
}

TakenPart taken_part(const TensorView& view, const Dims& shape, const Values& values, const Placeholders& at) {
    if (view.permute) return permuted(shape, size_of_expression(*view.permute, values, at));
    if (view.transpose) return transposed(shape);
    if (!view.view.empty()) return viewed(view, values, at);
    return {shape, Box::whole(shape), {}, shape};
}

}  // namespace unshard
