#include "verify/verify_common.hpp"

#include "text/printable.hpp"
#include "text/quantity.hpp"

#include <fmt/format.h>

namespace unshard {
namespace {

constexpr std::size_t kMostShown = 20;
constexpr std::size_t kLongestName = 64 << 10;

}  // namespace

void Problems::add(std::string text) {
    ++count_;
    if (first_.size() < kMostShown) first_.push_back(std::move(text));
}

void Problems::raise() const {
    if (count_ == 0) return;
    std::string text = fmt::format("{}", fmt::join(first_, "; "));
    if (count_ > first_.size()) text += fmt::format("; and {} more", count_ - first_.size());
    if (is_mistake_) text += ": this is a mistake in the plugin, tell its author";
    throw Error(text);
}

void NameCheck::operator()(const std::string& name, std::size_t number, std::string_view file) {
    const auto add = [&](std::string_view what) {
        problems_.add(fmt::format("tensor {}{}{}: {}", number, file.empty() ? "" : " of ", file, what));
    };
    if (name.empty()) return add("it has no name");
    if (name.size() > kLongestName) {
        return add(
            fmt::format("its name has {} bytes, at most {} are possible", grouped(name.size()), grouped(kLongestName)));
    }
    if (!is_printable(name)) {
        return add(fmt::format("its name '{}' has control characters or is not UTF-8", printable(name)));
    }
    if (!seen_.insert(name).second) problems_.add(fmt::format("{}: two tensors have this name", name));
}

void check_walk(std::uint64_t first, const Dims& extent, const Dims& stride, std::uint64_t elem_bytes,
                std::uint64_t storage_bytes) {
    if (stride.rank() != extent.rank()) {
        throw PluginMistake(fmt::format("has strides {} for a shape {}", to_string(stride), to_string(extent)));
    }
    if (extent.numel() == 0) return;
    std::uint64_t last = first;
    for (std::size_t i = 0; i < extent.rank(); ++i) last = checked_add(last, checked_mul(extent[i] - 1, stride[i]));
    const std::uint64_t needed = checked_mul(checked_add(last, 1), elem_bytes);
    if (needed > storage_bytes) {
        throw Error(
            fmt::format("{} bytes of storage are needed, there are {}", grouped(needed), grouped(storage_bytes)));
    }
}

}  // namespace unshard
