#include "plan/choose_merger.hpp"

#include "text/name_groups.hpp"
#include "text/printable.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {
namespace {

constexpr std::size_t kMostNames = 20;

std::string names_of(const std::vector<SourceTensor>& tensors) {
    std::vector<NamedItem> items;
    for (const SourceTensor& tensor : tensors) items.push_back({tensor.name, ""});
    std::vector<std::string> groups;
    for (const NameGroup& group : group_names(items)) groups.push_back(printable(group.name));
    return name_list(groups, kMostNames);
}

}  // namespace

bool states_no_geometry(const CheckpointIndex& index) {
    const auto has_none = [](const SourceTensor& tensor) { return std::ranges::all_of(tensor.shards, is_plain); };
    return index.ranks > 1 && !index.tensors.empty() && std::ranges::all_of(index.tensors, has_none);
}

bool has_open_shapes(const CheckpointIndex& index) {
    return std::ranges::any_of(index.tensors, [](const SourceTensor& tensor) {
        return !tensor.shape && !tensor.shards.empty() && tensor.shards.front().spec->origin;
    });
}

std::string cause_of_other_shapes(const CheckpointIndex& index) {
    if (states_no_geometry(index)) {
        return " (are these parts of a tensor-parallel model? pass --merger tensor_parallel)";
    }
    return has_open_shapes(index) ? " (are files of the last ranks missing?)" : "";
}

std::string choose_merger(const Pipeline::Merge& merge, const CheckpointIndex& index) {
    if (merge.merger != "auto") return merge.merger;
    if (!states_no_geometry(index)) {
        if (merge.rules.empty()) return "placement";
        throw UsageError(
            "rules are for merger tensor_parallel, and these tensors state themselves how they are split (merger "
            "placement): "
            "leave --rules out, or pass --merger tensor_parallel");
    }
    throw Error(fmt::format(
        "none of the {} tensors says how {} ranks split it: {}. Pass --merger tensor_parallel, with --rules "
        "for the model, when each rank has its part of them; --merger placement when each has a whole "
        "copy, which are then compared",
        index.tensors.size(), index.ranks, names_of(index.tensors)));
}

}  // namespace unshard
