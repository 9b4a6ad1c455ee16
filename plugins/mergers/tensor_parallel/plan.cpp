// Where a part belongs follows from its rank's coordinates in the mesh, the rule for its name, and its shape. Parts
// with the same box are replicas and are always compared, since nothing in the checkpoint states that they are equal.
// The comparison finds rules that wrongly call a tensor replicated.

#include "tensor_parallel/plan.hpp"

#include "models/whole_tensor.hpp"
#include "tensor_parallel/shares.hpp"
#include "unshard/tools/error.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace unshard {
namespace {

constexpr std::size_t kMostNames = 20;

/// 1 for a scalar.
std::uint64_t rows_of(const Dims& shape, std::size_t dim) {
    return shape.empty() ? 1 : shape[dim];
}

/// The box of the whole tensor that `run` fills, and where its rows lie in the shard.
Copy copy_of_run(const WholeTensor& whole, std::uint32_t tensor, std::uint32_t shard, const Shard& s, const Run& run) {
    Copy copy{tensor, shard, s.first, s.spec->stride, {Dims::filled(s.spec->shape.rank(), 0), s.spec->shape}};
    if (s.spec->shape.empty()) return copy;
    copy.first = checked_add(copy.first, checked_mul(run.source, s.spec->stride[whole.split_dim]));
    copy.box.origin[whole.split_dim] = run.target;
    copy.box.extent[whole.split_dim] = run.count;
    return copy;
}

class TensorPlanner {
public:
    TensorPlanner(const CheckpointIndex& index, const ModelRules& rules, const Values& values, const RankMesh& mesh,
                  std::uint32_t number, const NameMatch& match)
        : rules_(rules), values_(values), mesh_(mesh), number_(number), tensor_(index.tensors[number]), match_(match) {}

    /// The whole tensor, or one for each part of a fused one.
    std::vector<PlannedTensor> plan(std::vector<std::string>& warnings) {
        check_shards();
        whole_ = whole();
        check_shape();
        check_presence();
        make_outputs();
        for (std::uint32_t i = 0; i < tensor_.shards.size(); ++i) add_shard(i);
        if (whole_.split == Split::vocabulary) tell_padding(warnings);
        return std::move(outputs_);
    }

private:
    std::string where() const { return fmt::format("'{}': ", tensor_.name); }
    const Dims& part_shape() const { return tensor_.shards.front().spec->shape; }

    void check_shards() {
        if (tensor_.shards.empty()) throw Error(where() + "has no shards");
        for (const Shard& s : tensor_.shards) {
            if (!is_plain(s)) {
                throw Error(fmt::format("{}rank {} says how it was split, which needs no rules: use merger 'placement'",
                                        where(), s.rank));
            }
            if (!(s.spec->shape == part_shape())) {
                throw Error(fmt::format(
                    "{}rank {} holds {}, rank {} holds {}: tensor parallelism makes parts of one size", where(),
                    tensor_.shards.front().rank, to_string(part_shape()), s.rank, to_string(s.spec->shape)));
            }
            if (s.rank < mesh_.ranks() && ranks_.insert(s.rank).second) continue;
            throw Error(
                fmt::format("{}rank {} of {} holds it twice or does not exist", where(), s.rank, mesh_.ranks()));
        }
    }

    WholeTensor whole() const {
        if (match_.is_outside()) return {part_shape(), Split::replicated, 0, {{rows_of(part_shape(), 0), 0}}, false};
        if (!is_in_model(rules_, match_, values_)) {
            throw Error(where() + "a model of this config.json has no such tensor: it is another model's config.json");
        }
        if (match_.tensor) return whole_tensor(*match_.tensor, values_, match_.at);
        return whole_tensor(rules_, *match_.fused, values_, match_.at);
    }

    void tell_padding(std::vector<std::string>& warnings) const {
        const std::uint64_t held = checked_mul(part_shape()[0], mesh_.size("tp"));
        const std::uint64_t rows = whole_.shape[0];
        if (part_shape()[0] == rows || held == rows) return;
        warnings.push_back(fmt::format("{}{} padding rows behind the {} of config.json's vocabulary were cut off",
                                       where(), held - rows, rows));
    }

    /// Every dimension but the split ones is whole.
    void check_shape() const {
        bool fits = part_shape().rank() == whole_.shape.rank();
        for (std::size_t dim = 0; fits && dim < whole_.shape.rank(); ++dim) {
            const bool is_split = dim == whole_.split_dim || (dim == 0 && whole_.is_stacked);
            fits = is_split || part_shape()[dim] == whole_.shape[dim];
        }
        if (fits) return;
        throw Error(fmt::format(
            "{}a rank holds {}, the whole is {} by {} and config.json: they differ in more than what is split", where(),
            to_string(part_shape()), to_string(whole_.shape), rules_.file));
    }

    bool is_expert() const {
        return std::any_of(match_.at.begin(), match_.at.end(), [](const auto& p) { return p.first == "expert"; });
    }

    /// All ranks must have the tensor, except where pp distributes layers, or ep experts, over ranks.
    void check_presence() const {
        // Whole experts may be distributed over the ranks of any axis.
        if (is_expert() && part_shape() == whole_.shape) return;
        const auto group_of = [&](std::uint64_t rank) {
            return std::pair{mesh_.coordinate("pp", rank), is_expert() ? mesh_.coordinate("ep", rank) : 0};
        };
        std::set<std::pair<std::uint64_t, std::uint64_t>> groups;
        for (const std::uint64_t rank : ranks_) groups.insert(group_of(rank));
        for (std::uint64_t rank = 0; rank < mesh_.ranks(); ++rank) {
            if (ranks_.contains(rank) || !groups.contains(group_of(rank))) continue;
            throw Error(
                fmt::format("{}rank {} of {} does not have it: its file is damaged, or the mesh is another one (give "
                            "[merge.options] mesh)",
                            where(), rank, mesh_.ranks()));
        }
    }

    /// Whether a fused tensor becomes one tensor for each of its parts. It stays whole where transformers loads it so.
    bool becomes_parts() const { return match_.fused && !match_.fused->is_alternative; }

    void make_outputs() {
        if (!becomes_parts()) {
            add_output(tensor_.name, whole_.shape);
            return;
        }
        for (const std::size_t part : match_.fused->parts) {
            const TensorRule& rule = rules_.tensors[part];
            add_output(name_beside(match_, rule.name), whole_tensor(rule, values_, match_.at).shape);
        }
    }

    void add_output(const std::string& name, const Dims& shape) {
        outputs_.push_back({name, tensor_.dtype, shape, shape, {}, {}, false});
        known_.emplace_back();
    }

    void add_shard(std::uint32_t number) {
        const Shard& s = tensor_.shards[number];
        const Experts experts = experts_of(s);
        Share share{0, 1, rows_of(s.spec->shape, whole_.split_dim)};
        if (!experts.over_tp) {
            share.rank = mesh_.coordinate("tp", s.rank);
            share.ranks = mesh_.size("tp");
        }
        for (const Run& run : runs(share)) {
            Copy copy = copy_of_run(whole_, number_, number, s, run);
            if (whole_.is_stacked) copy.box.origin[0] = experts.first;
            const bool has_one_output = outputs_.size() == 1;
            for (std::size_t i = 0; has_one_output && i < run.section; ++i) {
                copy.box.origin[whole_.split_dim] += whole_.sections[i].size;
            }
            add_copy(has_one_output ? 0 : run.section, copy);
        }
    }

    std::vector<Run> runs(const Share& share) const {
        try {
            return runs_of(whole_, share);
        } catch (const Error& e) {
            throw Error(where() + e.what());
        }
    }

    /// Which experts of a stacked tensor a rank holds.
    struct Experts {
        std::uint64_t first = 0;
        bool over_tp = false;  ///< the ranks of the tp axis hold different experts, each one whole
    };

    Experts experts_of(const Shard& s) const {
        const std::uint64_t held = whole_.is_stacked ? s.spec->shape[0] : 0;
        const std::uint64_t all = whole_.is_stacked ? whole_.shape[0] : 0;
        if (held == all) return {};
        const std::string_view axis = mesh_.size("ep") > 1 ? "ep" : "tp";
        const bool over_tp = axis == "tp";
        const bool is_even = all % mesh_.size(axis) == 0 && held == all / mesh_.size(axis);
        if (!is_even || (over_tp && s.spec->shape[whole_.split_dim] != whole_.shape[whole_.split_dim])) {
            throw Error(
                fmt::format("{}a rank holds {} of {}: {} experts over {} ranks of axis '{}' do not give that (give "
                            "[merge.options] mesh)",
                            where(), to_string(s.spec->shape), to_string(whole_.shape), all, mesh_.size(axis), axis));
        }
        return {mesh_.coordinate(axis, s.rank) * held, over_tp};
    }

    /// The first shard with a box is copied, the others are replicas of it.
    void add_copy(std::size_t output, Copy copy) {
        if (copy.box.extent.numel() == 0) return;
        std::vector<std::uint64_t> origin(copy.box.origin.begin(), copy.box.origin.end());
        const bool is_new = known_[output].insert(std::move(origin)).second;
        PlannedTensor& planned = outputs_[output];
        (is_new ? planned.copies : planned.replicas).push_back(copy);
    }

    const ModelRules& rules_;
    const Values& values_;
    const RankMesh& mesh_;
    std::uint32_t number_;
    const SourceTensor& tensor_;
    const NameMatch& match_;
    std::set<std::uint64_t> ranks_;
    WholeTensor whole_;
    std::vector<PlannedTensor> outputs_;
    std::vector<std::set<std::vector<std::uint64_t>>> known_;  ///< origins of the boxes of each output
};

}  // namespace

Plan plan_tensor_parallel(const CheckpointIndex& index, const ModelRules& rules, const Values& values,
                          const RankMesh& mesh) {
    std::vector<NameMatch> matches;
    std::vector<std::string> unmatched;
    for (const SourceTensor& tensor : index.tensors) {
        std::optional<NameMatch> match = match_name(rules, tensor.name);
        if (!match && is_buffer(rules, tensor.name)) match = NameMatch{};  // whole on every rank
        if (!match) unmatched.push_back(tensor.name);
        matches.push_back(match ? std::move(*match) : NameMatch{});
    }
    if (!unmatched.empty()) {
        throw Error(fmt::format("{}: no rule in {} has such a name: add it, or pass other --rules",
                                name_list(unmatched, kMostNames), rules.file));
    }
    Plan plan;
    for (std::uint32_t i = 0; i < index.tensors.size(); ++i) {
        TensorPlanner planner(index, rules, values, mesh, i, matches[i]);
        for (PlannedTensor& tensor : planner.plan(plan.warnings)) plan.tensors.push_back(std::move(tensor));
    }
    return plan;
}

}  // namespace unshard
