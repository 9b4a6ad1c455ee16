#include "verify/problems.hpp"

#include <fmt/format.h>

namespace unshard {
namespace {

constexpr std::size_t kMostShown = 20;

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

}  // namespace unshard
