// One part of a stacked tensor, the rows of one expert, is a run of its elements in row-major order. In the view that
// its copies refer to, that run is a box, as long as the view does not cut through it; the part's copies are then the
// intersections with that box. A copy is intersected only with the parts that its own run of elements reaches, so the
// work grows with the result, not with copies x experts. Example: [128 experts, 1536, 2048] saved in 8 shards of 16
// experts gives 128 tensors of one copy each, not 8 x 128 intersections.

#include "geometry/boxes.hpp"
#include "model/experts.hpp"
#include "models/completeness.hpp"
#include "models/whole_tensor.hpp"
#include "unshard/tools/checked.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

namespace unshard {
namespace {

/// A part and its run of elements in the stacked tensor.
struct Piece {
    PlannedTensor tensor;
    Box box;  ///< in the stacked tensor's view
    std::uint64_t first = 0;
    std::uint64_t count = 0;
};

/// The shape of a box without its leading axes of size 1.
Dims view_of(const Box& box, const Dims& shape) {
    std::size_t skipped = 0;
    while (box.extent.rank() - skipped > shape.rank() && box.extent[skipped] == 1) ++skipped;
    return Dims(std::span(box.extent.begin() + skipped, box.extent.end()));
}

Dims without_leading(const Dims& dims, std::size_t rank) {
    return Dims(std::span(dims.end() - rank, dims.end()));
}

class Separation {
public:
    Separation(const PlannedTensor& stacked, const NameMatch& match, const ModelRules& rules, const Values& values)
        : stacked_(stacked), match_(match), rules_(rules), values_(values) {}

    std::vector<PlannedTensor> run() {
        const Dims expected = whole_tensor(rules_, *match_.fused, values_, match_.at).shape;
        if (!(stacked_.shape == expected)) {
            throw Error(fmt::format("'{}': its shape is {}, config.json makes it {}: its experts cannot be separated",
                                    stacked_.name, to_string(stacked_.shape), to_string(expected)));
        }
        for_each_part(rules_, match_, values_,
                      [this](const TensorRule& part, const NameMatch& where) { add_piece(part, where); });
        for (const Copy& copy : stacked_.copies) add_to_experts(copy, &PlannedTensor::copies);
        for (const Copy& copy : stacked_.replicas) add_to_experts(copy, &PlannedTensor::replicas);
        std::vector<PlannedTensor> parts;
        for (Piece& piece : pieces_) parts.push_back(std::move(piece.tensor));
        return parts;
    }

private:
    void add_piece(const TensorRule& rule, const NameMatch& at) {
        Piece piece;
        const Dims shape = whole_tensor(rule, values_, at.at).shape;
        piece.tensor = {name_beside(at, rule.name), stacked_.dtype,  shape,           shape, {}, {},
                        stacked_.replicas_stated,   stacked_.is_sum, stacked_.divisor};
        piece.first = next_;
        piece.count = shape.numel();
        next_ += piece.count;
        if (piece.count != 0) {
            const std::vector<Box> boxes = boxes_of_range(stacked_.view, piece.first, piece.count);
            if (boxes.size() != 1) {
                throw Error(fmt::format("'{}': merged through the view {}, which cuts through '{}' {}", stacked_.name,
                                        to_string(stacked_.view), piece.tensor.name, to_string(shape)));
            }
            piece.box = boxes.front();
            piece.tensor.view = view_of(piece.box, shape);
        }
        pieces_.push_back(std::move(piece));
    }

    /// Adds to each part the elements of it that the copy has.
    void add_to_experts(const Copy& copy, std::vector<Copy> PlannedTensor::* list) {
        if (copy.box.extent.numel() == 0) return;
        const Dims strides = contiguous_strides(stacked_.view);
        Dims last = copy.box.origin;
        for (std::size_t i = 0; i < last.rank(); ++i) last[i] += copy.box.extent[i] - 1;
        const std::uint64_t begin = position_of(copy.box.origin, strides), end = position_of(last, strides);
        auto piece = std::partition_point(pieces_.begin(), pieces_.end(),
                                          [&](const Piece& p) { return p.first + p.count <= begin; });
        for (; piece != pieces_.end() && piece->first <= end; ++piece) {
            if (piece->count != 0) cut(copy, *piece, (*piece).tensor.*list);
        }
    }

    static void cut(const Copy& copy, const Piece& piece, std::vector<Copy>& into) {
        const std::optional<Box> common = intersection(copy.box, piece.box);
        if (!common) return;
        Copy part = copy;
        for (std::size_t i = 0; i < common->origin.rank(); ++i) {
            part.first += (common->origin[i] - copy.box.origin[i]) * copy.stride[i];
            part.box.origin[i] = common->origin[i] - piece.box.origin[i];
        }
        const std::size_t rank = piece.tensor.view.rank();
        part.box = {without_leading(part.box.origin, rank), without_leading(common->extent, rank)};
        part.stride = without_leading(copy.stride, rank);
        into.push_back(part);
    }

    const PlannedTensor& stacked_;
    const NameMatch& match_;
    const ModelRules& rules_;
    const Values& values_;
    std::uint64_t next_ = 0;
    std::vector<Piece> pieces_;  ///< in the order of their elements
};

}  // namespace

Plan separate_experts(Plan plan, const ModelRules& rules, const Values& values) {
    std::vector<PlannedTensor> tensors;
    for (PlannedTensor& tensor : plan.tensors) {
        const std::optional<NameMatch> match = match_name(rules, tensor.name);
        if (!match || !match->fused || !match->fused->is_alternative) {
            tensors.push_back(std::move(tensor));
            continue;
        }
        for (PlannedTensor& part : Separation(tensor, *match, rules, values).run()) tensors.push_back(std::move(part));
    }
    plan.tensors = std::move(tensors);
    return plan;
}

}  // namespace unshard
