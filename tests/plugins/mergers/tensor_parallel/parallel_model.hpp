// Tensor parallelism for tests: whole tensors whose elements are all different, parts of them listed row by row, and
// plans carried out element by element.
#pragma once

#include "support/catch.hpp"
#include "support/index_builder.hpp"
#include "unshard/plan.hpp"

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace unshard::test {

using Elements = std::vector<std::uint64_t>;

/// A row of a whole tensor: all dimensions but the last one flattened.
struct Row {
    std::string tensor;  ///< empty: a row of padding
    std::uint64_t number = 0;
};

/// Rows `first`, `first` + 1, ...
inline std::vector<Row> rows(const std::string& tensor, std::uint64_t first, std::uint64_t count) {
    std::vector<Row> result;
    for (std::uint64_t i = 0; i < count; ++i) result.push_back({tensor, first + i});
    return result;
}

inline std::vector<Row> operator+(std::vector<Row> a, const std::vector<Row>& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

class ParallelModel {
public:
    explicit ParallelModel(std::uint32_t ranks) : builder_(ranks) {}

    void whole(const std::string& name, Dims shape) {
        Elements elements(shape.numel());
        for (std::uint64_t& e : elements) e = next_element_++;
        truth_.emplace(name, Whole{shape, elements});
    }

    /// Parts that follow belong to this source tensor.
    void source(const std::string& name) {
        builder_.tensor(name, std::nullopt);
        parts_.emplace_back();
    }

    /// A rank's part: these rows, of each the columns from `column` on that `shape` has.
    void part(std::uint32_t rank, Dims shape, const std::vector<Row>& part_rows, std::uint64_t column = 0) {
        builder_.plain(rank, shape);
        const std::uint64_t columns = part_rows.empty() ? 0 : shape.numel() / part_rows.size();
        Elements& elements = parts_.back().emplace_back();
        for (const Row& row : part_rows) {
            for (std::uint64_t c = 0; c < columns; ++c) elements.push_back(element(row, column + c));
        }
        REQUIRE(elements.size() == shape.numel());
    }

    /// The same part of one tensor on every rank.
    void replicated(const std::string& name) {
        source(name);
        const Dims shape = truth_.at(name).shape;
        for (std::uint32_t r = 0; r < builder_.index().ranks; ++r) part(r, shape, rows(name, 0, row_count(name)));
    }

    std::uint64_t row_count(const std::string& name) const {
        const Dims& shape = truth_.at(name).shape;
        return shape.rank() == 1 ? shape[0] : shape.numel() / shape.back();
    }

    const CheckpointIndex& index() const { return builder_.index(); }

    /// Carries out the plan and compares every element, and every replica, with the whole tensors.
    void check(const Plan& plan) const {
        std::map<std::string, Whole> merged;
        for (const PlannedTensor& tensor : plan.tensors) {
            REQUIRE(tensor.view == tensor.shape);
            CHECK_FALSE(tensor.replicas_stated);
            Whole result{tensor.shape, Elements(tensor.shape.numel(), kUnset)};
            for (const Copy& copy : tensor.copies) carry_out(copy, result, kUnset);
            for (const Copy& copy : tensor.replicas) carry_out(copy, result, std::nullopt);
            merged.emplace(tensor.name, result);
        }
        CHECK(merged == truth_);
    }

private:
    static constexpr std::uint64_t kUnset = std::numeric_limits<std::uint64_t>::max();
    static constexpr std::uint64_t kPadding = kUnset - 1;

    struct Whole {
        Dims shape;
        Elements elements;
        friend bool operator==(const Whole&, const Whole&) = default;
    };

    std::uint64_t element(const Row& row, std::uint64_t column) const {
        if (row.tensor.empty()) return kPadding;
        const Whole& whole = truth_.at(row.tensor);
        const std::uint64_t columns = whole.shape.rank() < 2 ? 1 : whole.shape.back();
        return whole.elements.at(row.number * columns + column);
    }

    /// Before the write an element must be `before`; without `before` it must be what would be written.
    void carry_out(const Copy& copy, Whole& result, std::optional<std::uint64_t> before) const {
        REQUIRE(contains(result.shape, copy.box));
        const Dims strides = contiguous_strides(result.shape);
        const Elements& part = parts_.at(copy.tensor).at(copy.shard);
        for (std::uint64_t i = 0; i < copy.box.extent.numel(); ++i) {
            std::uint64_t rest = i, from = copy.first, to = 0;
            for (std::size_t dim = result.shape.rank(); dim-- > 0;) {
                const std::uint64_t at = rest % copy.box.extent[dim];
                rest /= copy.box.extent[dim];
                from += at * copy.stride[dim];
                to += (copy.box.origin[dim] + at) * strides[dim];
            }
            REQUIRE(result.elements.at(to) == before.value_or(part.at(from)));
            result.elements[to] = part.at(from);
        }
    }

    IndexBuilder builder_;
    std::vector<std::vector<Elements>> parts_;
    std::map<std::string, Whole> truth_;
    std::uint64_t next_element_ = 0;
};

}  // namespace unshard::test
