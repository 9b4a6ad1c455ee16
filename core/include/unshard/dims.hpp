// Shapes, strides, origins: up to eight 64-bit numbers, one for each dimension.
#pragma once

#include "unshard/tools/checked.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>

namespace unshard {

/// The highest rank of a tensor. PyTorch allows more; no model has them.
inline constexpr std::size_t kMaxDims = 8;

/// One value per dimension, outermost first. Rank 0 is a scalar (one element). Two values are kept inline, more on the
/// heap: an index holds millions of these, nearly all of them of matrices.
class Dims {
public:
    Dims() = default;
    Dims(std::initializer_list<std::uint64_t> values) : Dims(std::span(values.begin(), values.size())) {}
    /// Throws Error above kMaxDims dimensions.
    explicit Dims(std::span<const std::uint64_t> values) { assign(values); }
    static Dims filled(std::size_t rank, std::uint64_t value) {
        Dims d;
        d.resize(rank);
        std::fill_n(d.data(), rank, value);
        return d;
    }

    Dims(const Dims& other) { assign({other.begin(), other.rank()}); }
    Dims(Dims&& other) noexcept : values_(other.values_), rank_(std::exchange(other.rank_, 0)) {}
    Dims& operator=(Dims other) noexcept {
        std::swap(values_, other.values_);
        std::swap(rank_, other.rank_);
        return *this;
    }
    ~Dims() {
        if (is_on_heap()) delete[] values_.many;
    }

    std::size_t rank() const { return rank_; }
    bool empty() const { return rank_ == 0; }
    std::uint64_t operator[](std::size_t i) const { return begin()[i]; }
    std::uint64_t& operator[](std::size_t i) { return data()[i]; }
    const std::uint64_t* begin() const { return is_on_heap() ? values_.many : values_.few; }
    const std::uint64_t* end() const { return begin() + rank_; }
    std::uint64_t back() const { return begin()[rank_ - 1]; }

    void push_back(std::uint64_t value) {
        resize(rank_ + std::size_t{1});
        data()[rank_ - 1] = value;
    }

    /// The product of all values; 1 for rank 0. Throws Error when it does not fit 64 bits.
    std::uint64_t numel() const {
        if (std::find(begin(), end(), 0u) != end()) return 0;
        std::uint64_t product = 1;
        for (const std::uint64_t v : *this) product = checked_mul(product, v);
        return product;
    }

    friend bool operator==(const Dims& a, const Dims& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

private:
    static constexpr std::size_t kInline = 2;

    bool is_on_heap() const { return rank_ > kInline; }
    std::uint64_t* data() { return is_on_heap() ? values_.many : values_.few; }

    void assign(std::span<const std::uint64_t> values) {
        resize(values.size());
        std::copy(values.begin(), values.end(), data());
    }

    /// To a higher rank, or the same. New values are not set.
    void resize(std::size_t rank) {
        if (rank > kMaxDims) throw Error("more than 8 dimensions");
        if (rank > kInline && !is_on_heap()) {
            auto* many = new std::uint64_t[kMaxDims];
            std::copy_n(values_.few, rank_, many);
            values_.many = many;
        }
        rank_ = static_cast<std::uint8_t>(rank);
    }

    union {
        std::uint64_t few[kInline] = {0, 0};
        std::uint64_t* many;  ///< kMaxDims of them
    } values_;
    std::uint8_t rank_ = 0;
};

/// Row-major strides of a shape, in elements: the last dimension has stride 1.
inline Dims contiguous_strides(const Dims& shape) {
    Dims strides = Dims::filled(shape.rank(), 1);
    for (std::size_t i = shape.rank(); i-- > 1;) {
        strides[i - 1] = checked_mul(strides[i], std::max<std::uint64_t>(shape[i], 1));
    }
    return strides;
}

/// "(7, 6)", as PyTorch prints a shape; "()" for a scalar.
inline std::string to_string(const Dims& dims) {
    std::string text = "(";
    for (std::size_t i = 0; i < dims.rank(); ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
    return text + ")";
}

/// An axis-aligned part of a tensor: `extent` elements from `origin` on, in each dimension.
struct Box {
    Dims origin;
    Dims extent;

    static Box whole(const Dims& shape) { return {Dims::filled(shape.rank(), 0), shape}; }
    friend bool operator==(const Box&, const Box&) = default;
};

/// Whether the box lies inside a tensor of this shape. Safe for any values.
inline bool contains(const Dims& shape, const Box& box) {
    if (box.origin.rank() != shape.rank() || box.extent.rank() != shape.rank()) return false;
    for (std::size_t i = 0; i < shape.rank(); ++i) {
        if (box.extent[i] > shape[i] || box.origin[i] > shape[i] - box.extent[i]) return false;
    }
    return true;
}

}  // namespace unshard
