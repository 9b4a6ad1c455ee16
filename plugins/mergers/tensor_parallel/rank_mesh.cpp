#include "tensor_parallel/rank_mesh.hpp"

#include "unshard/tools/checked.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace unshard {
namespace {

constexpr std::array kAxes = {"tp", "pp", "ep", "dp", "cp"};

[[noreturn]] void fail(std::string_view text, const std::string& what) {
    throw UsageError(fmt::format("mesh '{}': {}: write for example 'dp=2,pp=1,tp=4'", text, what));
}

/// 0 when there is none: the axis takes what is left.
std::uint64_t axis_size(std::string_view text, std::string_view item) {
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos) return 0;
    std::uint64_t size = 0;
    const auto [end, error] = std::from_chars(item.data() + equals + 1, item.data() + item.size(), size);
    if (error != std::errc() || end != item.data() + item.size() || size == 0) {
        fail(text, fmt::format("'{}' is not an axis and its size", item));
    }
    return size;
}

}  // namespace

RankMesh::RankMesh(std::string_view text, std::uint64_t ranks) : ranks_(ranks) {
    std::uint64_t product = 1;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        std::string_view item = text.substr(begin, end - begin);
        item.remove_prefix(std::min(item.find_first_not_of(' '), item.size()));
        const std::string name(item.substr(0, item.find('=')));
        if (std::find(kAxes.begin(), kAxes.end(), name) == kAxes.end()) {
            fail(text, fmt::format("axis '{}' is unknown (known are tp, pp, ep, dp, cp)", name));
        }
        const auto is_same = [&](const Axis& axis) { return axis.name == name; };
        if (std::any_of(axes_.begin(), axes_.end(), is_same))
            fail(text, fmt::format("axis '{}' stands in it twice", name));
        axes_.push_back({name, axis_size(text, item)});
        if (axes_.back().size != 0) product = checked_mul(product, axes_.back().size);
        begin = end + 1;
    }
    const auto open = std::find_if(axes_.begin(), axes_.end(), [](const Axis& axis) { return axis.size == 0; });
    if (open != axes_.end() && ranks % product == 0) {
        open->size = ranks / product;
        product = ranks;
    }
    const auto is_open = [](const Axis& axis) { return axis.size == 0; };
    if (product != ranks || std::any_of(axes_.begin(), axes_.end(), is_open)) {
        fail(text, fmt::format("it does not make up the checkpoint's {} ranks", ranks));
    }
}

std::uint64_t RankMesh::size(std::string_view axis) const {
    for (const Axis& a : axes_) {
        if (a.name == axis) return a.size;
    }
    return 1;
}

std::uint64_t RankMesh::coordinate(std::string_view axis, std::uint64_t rank) const {
    for (std::size_t i = axes_.size(); i-- > 0;) {
        if (axes_[i].name == axis) return rank % axes_[i].size;
        rank /= axes_[i].size;
    }
    return 0;
}

}  // namespace unshard
