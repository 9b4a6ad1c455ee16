// A plan is right when each tensor's boxes are disjoint and their volumes add up to the tensor: then every element is
// written exactly once. Terms of a sum share their box; there the distinct boxes must be disjoint and add up.

#include "geometry/boxes.hpp"
#include "text/quantity.hpp"
#include "text/ranks.hpp"
#include "verify/verify.hpp"
#include "verify/verify_common.hpp"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>
#include <tuple>

namespace unshard {
namespace {

const Shard& shard_of(const CheckpointIndex& index, const Copy& copy) {
    return index.tensors[copy.tensor].shards[copy.shard];
}

std::string describe(const Box& box) {
    return fmt::format("{} at {}", to_string(box.extent), to_string(box.origin));
}

void check_source(const CheckpointIndex& index, const PlannedTensor& tensor, const Copy& copy) {
    if (copy.tensor >= index.tensors.size()) {
        throw PluginMistake(fmt::format("a copy is from tensor {} of {}", copy.tensor, index.tensors.size()));
    }
    const SourceTensor& source = index.tensors[copy.tensor];
    if (copy.shard >= source.shards.size()) {
        throw PluginMistake(
            fmt::format("a copy is from shard {} of {} of '{}'", copy.shard, source.shards.size(), source.name));
    }
    const Shard& shard = source.shards[copy.shard];
    if (source.dtype != tensor.dtype) {
        throw Error(fmt::format("is {}, '{}' on rank {} is {}", to_string(tensor.dtype), source.name, shard.rank,
                                to_string(source.dtype)));
    }
    if (!contains(tensor.view, copy.box)) {
        throw Error(fmt::format("the piece of rank {} is {}, outside {}", shard.rank, describe(copy.box),
                                to_string(tensor.view)));
    }
    try {
        check_walk(copy.first, copy.box.extent, copy.stride, size_of(tensor.dtype), shard.bytes);
    } catch (const PluginMistake& e) {
        throw PluginMistake(fmt::format("the piece of rank {}: {}", shard.rank, e.what()));
    } catch (const Error& e) {
        throw Error(fmt::format("the piece of rank {}: {}", shard.rank, e.what()));
    }
}

void check_sum(const PlannedTensor& tensor) {
    if (tensor.divisor != 1 && (!tensor.is_sum || tensor.divisor == 0)) {
        throw Error(fmt::format("is {}divided by {}", tensor.is_sum ? "" : "no sum, and ", tensor.divisor));
    }
    if (!tensor.is_sum) return;
    if (!info(tensor.dtype).is_float) throw Error(fmt::format("is a sum, of type {}", to_string(tensor.dtype)));
    if (!tensor.replicas.empty()) throw Error("is a sum with replicas: they cannot be compared");
}

/// Each term of a sum is there once, and each box has the same number of terms.
void check_terms(const PlannedTensor& tensor) {
    using Source = std::tuple<std::uint32_t, std::uint32_t, std::uint64_t>;
    std::map<std::vector<std::uint64_t>, std::set<Source>> terms;
    for (const Copy& copy : tensor.copies) {
        std::vector<std::uint64_t> box(copy.box.origin.begin(), copy.box.origin.end());
        box.insert(box.end(), copy.box.extent.begin(), copy.box.extent.end());
        if (!terms[box].emplace(copy.tensor, copy.shard, copy.first).second) {
            throw Error(fmt::format("the piece {} is added twice from one shard", describe(copy.box)));
        }
    }
    for (const auto& [box, sources] : terms) {
        if (sources.size() == terms.begin()->second.size()) continue;
        throw Error(fmt::format("is a sum of {} terms in one place and of {} in another", terms.begin()->second.size(),
                                sources.size()));
    }
}

/// The copies that have elements; of a sum, one for each box.
std::vector<const Copy*> distinct_pieces(const PlannedTensor& tensor) {
    std::vector<const Copy*> pieces;
    std::set<std::vector<std::uint64_t>> seen;
    for (const Copy& copy : tensor.copies) {
        if (copy.box.extent.numel() == 0) continue;
        std::vector<std::uint64_t> box(copy.box.origin.begin(), copy.box.origin.end());
        box.insert(box.end(), copy.box.extent.begin(), copy.box.extent.end());
        if (!tensor.is_sum || seen.insert(std::move(box)).second) pieces.push_back(&copy);
    }
    return pieces;
}

/// "ranks 0-2 of 4 are here": all that hold a piece of the tensors that `tensor` is made from.
std::string who_is_here(const CheckpointIndex& index, const PlannedTensor& tensor) {
    std::set<std::uint32_t> sources;
    for (const Copy& copy : tensor.copies) sources.insert(copy.tensor);
    std::vector<std::uint64_t> ranks;
    for (const std::uint32_t source : sources) {
        for (const Shard& shard : index.tensors[source].shards) ranks.push_back(shard.rank);
    }
    const std::string text = ranks_text(std::move(ranks));
    return fmt::format("{} of {} {} here", text, index.ranks, text.starts_with("ranks") ? "are" : "is");
}

void check_cover(const CheckpointIndex& index, const PlannedTensor& tensor) {
    const std::vector<const Copy*> pieces = distinct_pieces(tensor);
    std::vector<Box> boxes;
    for (const Copy* piece : pieces) boxes.push_back(piece->box);
    if (const auto overlap = find_overlap(boxes)) {
        const auto [a, b] = *overlap;
        throw Error(fmt::format("rank {} holds {}, rank {} holds {}: they overlap", shard_of(index, *pieces[a]).rank,
                                describe(boxes[a]), shard_of(index, *pieces[b]).rank, describe(boxes[b])));
    }
    std::uint64_t covered = 0;  // disjoint boxes of one tensor: the sum is at most its numel
    for (const Box& box : boxes) covered += box.extent.numel();
    if (covered == tensor.view.numel()) return;
    throw Error(fmt::format("shards cover {} of {} elements ({})", grouped(covered), grouped(tensor.view.numel()),
                            who_is_here(index, tensor)));
}

void check_tensor(const CheckpointIndex& index, const PlannedTensor& tensor) {
    if (tensor.view.numel() != tensor.shape.numel()) {
        throw Error(fmt::format("merged through the view {}, its shape is {}", to_string(tensor.view),
                                to_string(tensor.shape)));
    }
    checked_mul(tensor.shape.numel(), size_of(tensor.dtype));
    for (const Copy& copy : tensor.copies) check_source(index, tensor, copy);
    for (const Copy& copy : tensor.replicas) check_source(index, tensor, copy);
    check_sum(tensor);
    if (tensor.is_sum) check_terms(tensor);
    check_cover(index, tensor);
}

}  // namespace

void verify_plan(const CheckpointIndex& index, const Plan& plan) {
    Problems problems;
    NameCheck check_name(problems);
    for (std::size_t i = 0; i < plan.tensors.size(); ++i) check_name(plan.tensors[i].name, i);
    problems.raise();
    for (const PlannedTensor& tensor : plan.tensors) {
        problems.collect(tensor.name, [&] { check_tensor(index, tensor); });
    }
    problems.raise();
}

}  // namespace unshard
