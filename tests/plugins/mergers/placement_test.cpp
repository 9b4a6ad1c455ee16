// The placement merger against an oracle that splits lists of indices, as torch.chunk does, and knows no boxes.

#include "support/bundled_plugins.hpp"
#include "support/catch.hpp"
#include "support/index_builder.hpp"

#include <algorithm>
#include <numeric>
#include <random>

using namespace unshard;
using unshard::test::IndexBuilder;

namespace {

const Placement kReplicate{PlacementKind::replicate, 0, 1};
Placement split(std::uint32_t dim) {
    return {PlacementKind::shard, dim, 1};
}
Placement strided(std::uint32_t dim, std::uint64_t factor) {
    return {PlacementKind::strided_shard, dim, factor};
}
Placement partial(PlacementKind kind) {
    return {kind, 0, 1};
}

Plan plan_of(const CheckpointIndex& index, const nlohmann::json& options = nlohmann::json::object()) {
    Request request;
    request.options = options;
    return test::bundled_plugins().merger("placement")->plan(index, request);
}

std::string error_of(const CheckpointIndex& index) {
    try {
        plan_of(index);
    } catch (const Error& e) {
        return e.what();
    }
    return "no error";
}

using Indices = std::vector<std::uint64_t>;

/// torch.chunk of a list: parts of ceil(n / k), the last shorter, further ones empty.
Indices chunk_of(const Indices& all, std::uint64_t parts, std::uint64_t part) {
    const std::uint64_t each = (all.size() + parts - 1) / parts;
    const std::uint64_t begin = std::min<std::uint64_t>(each * part, all.size());
    const std::uint64_t end = std::min<std::uint64_t>(begin + each, all.size());
    return {all.begin() + static_cast<std::ptrdiff_t>(begin), all.begin() + static_cast<std::ptrdiff_t>(end)};
}

struct SplitLayout {
    Dims shape, mesh;
    std::vector<Placement> placements;
};

/// The indices of each tensor dimension that the rank at `at` holds: right to left for strided shards, left to right
/// else.
std::vector<Indices> held(const SplitLayout& layout, const Dims& at) {
    std::vector<Indices> dims(layout.shape.rank());
    for (std::size_t d = 0; d < dims.size(); ++d) {
        dims[d].resize(layout.shape[d]);
        std::iota(dims[d].begin(), dims[d].end(), 0);
        std::vector<std::size_t> deferred;
        for (std::size_t m = 0; m < layout.placements.size(); ++m) {
            const Placement& p = layout.placements[m];
            if (p.kind == PlacementKind::replicate || p.dim != d) continue;
            if (p.kind == PlacementKind::strided_shard)
                deferred.push_back(m);
            else
                dims[d] = chunk_of(dims[d], layout.mesh[m], at[m]);
        }
        for (auto m = deferred.rbegin(); m != deferred.rend(); ++m)
            dims[d] = chunk_of(dims[d], layout.mesh[*m], at[*m]);
    }
    return dims;
}

Dims coordinate(const Dims& mesh, std::uint64_t position) {
    Dims at = Dims::filled(mesh.rank(), 0);
    for (std::size_t i = mesh.rank(); i-- > 0; position /= mesh[i]) at[i] = position % mesh[i];
    return at;
}

/// As distribute_tensor has it: left to right, a strided shard being a chunk of each of `split_factor` chunks.
std::vector<Indices> held_left_to_right(const SplitLayout& layout, const Dims& at) {
    std::vector<Indices> dims(layout.shape.rank());
    for (std::size_t d = 0; d < dims.size(); ++d) {
        dims[d].resize(layout.shape[d]);
        std::iota(dims[d].begin(), dims[d].end(), 0);
        for (std::size_t m = 0; m < layout.placements.size(); ++m) {
            const Placement& p = layout.placements[m];
            if (p.kind == PlacementKind::replicate || p.dim != d) continue;
            const std::uint64_t pieces = p.kind == PlacementKind::strided_shard ? p.split_factor : 1;
            Indices taken;
            for (std::uint64_t i = 0; i < pieces; ++i) {
                const Indices part = chunk_of(chunk_of(dims[d], pieces, i), layout.mesh[m], at[m]);
                taken.insert(taken.end(), part.begin(), part.end());
            }
            dims[d] = taken;
        }
    }
    return dims;
}

/// Whether ranks would hold as many rows by the other rule, but not the same ones.
bool is_ambiguous(const SplitLayout& layout) {
    std::vector<bool> same_sizes(layout.shape.rank(), true), same(layout.shape.rank(), true);
    for (std::uint64_t i = 0; i < layout.mesh.numel(); ++i) {
        const Dims at = coordinate(layout.mesh, i);
        const auto one = held(layout, at), other = held_left_to_right(layout, at);
        for (std::size_t d = 0; d < one.size(); ++d) {
            same_sizes[d] = same_sizes[d] && one[d].size() == other[d].size();
            same[d] = same[d] && one[d] == other[d];
        }
    }
    for (std::size_t d = 0; d < same.size(); ++d) {
        if (same_sizes[d] && !same[d]) return true;
    }
    return false;
}

SplitLayout random_layout(std::mt19937& random) {
    const auto pick = [&](std::uint64_t from, std::uint64_t to) {
        return std::uniform_int_distribution<std::uint64_t>(from, to)(random);
    };
    SplitLayout layout;
    for (std::uint64_t i = pick(1, 3); i > 0; --i) layout.shape.push_back(pick(0, 13));
    for (std::uint64_t i = pick(1, 3); i > 0; --i) layout.mesh.push_back(pick(1, 4));
    layout.placements.assign(layout.mesh.rank(), kReplicate);
    for (std::size_t m = layout.mesh.rank(); m-- > 0;) {
        if (pick(0, 3) == 0) continue;
        const auto dim = static_cast<std::uint32_t>(pick(0, layout.shape.rank() - 1));
        std::uint64_t behind = 1;
        for (std::size_t later = m + 1; later < layout.mesh.rank(); ++later) {
            const Placement& p = layout.placements[later];
            if (p.kind != PlacementKind::replicate && p.dim == dim) behind *= layout.mesh[later];
        }
        layout.placements[m] = pick(0, 1) == 0 ? strided(dim, behind) : split(dim);
    }
    return layout;
}

/// Every element of every rank's box, by the plan's copies and replicas, against what the oracle says that the rank
/// holds.
void check_against_oracle(const SplitLayout& layout, const std::vector<std::uint64_t>& ranks) {
    IndexBuilder b(static_cast<std::uint32_t>(ranks.size()));
    const std::uint32_t mesh = b.mesh(layout.mesh, ranks);
    b.tensor("w", layout.shape);
    std::vector<std::vector<Indices>> expected(ranks.size());
    for (std::size_t position = 0; position < ranks.size(); ++position) {
        expected[ranks[position]] = held(layout, coordinate(layout.mesh, position));
    }
    for (std::uint32_t rank = 0; rank < ranks.size(); ++rank) {
        Dims local;
        for (const Indices& i : expected[rank]) local.push_back(i.size());
        b.placed(rank, local, mesh, layout.placements);
    }
    if (is_ambiguous(layout)) {
        REQUIRE(error_of(b.index()).find("FSDP and distribute_tensor give ranks different rows") != std::string::npos);
        return;
    }
    const Plan plan = plan_of(b.index());
    const PlannedTensor& planned = plan.tensors.at(0);
    REQUIRE(planned.shape == layout.shape);
    std::vector<int> written(layout.shape.numel(), 0);
    std::vector<Copy> all = planned.copies;
    all.insert(all.end(), planned.replicas.begin(), planned.replicas.end());
    for (const Copy& c : all) {
        const std::vector<Indices>& want = expected[c.shard];
        for (std::size_t d = 0; d < layout.shape.rank(); ++d) {
            REQUIRE(c.box.extent[d] == want[d].size());
            if (!want[d].empty())
                REQUIRE((c.box.origin[d] == want[d].front() && want[d].back() - want[d].front() + 1 == want[d].size()));
        }
    }
    for (const Copy& c : planned.copies) {
        for (std::uint64_t i = 0; i < c.box.extent.numel(); ++i) {
            const Dims inside = coordinate(c.box.extent, i);
            std::uint64_t flat = 0;
            for (std::size_t d = 0; d < layout.shape.rank(); ++d)
                flat = flat * layout.shape[d] + c.box.origin[d] + inside[d];
            ++written[flat];
        }
    }
    CHECK(std::all_of(written.begin(), written.end(), [](int n) { return n == 1; }));
}

}  // namespace

TEST_CASE("random shapes, meshes and placements are put together as torch.chunk took them apart") {
    std::mt19937 random(20261);
    for (int i = 0; i < 6000; ++i) {
        const SplitLayout layout = random_layout(random);
        std::vector<std::uint64_t> ranks(layout.mesh.numel());
        std::iota(ranks.begin(), ranks.end(), 0);
        std::shuffle(ranks.begin(), ranks.end(), random);
        check_against_oracle(layout, ranks);
    }
}

TEST_CASE("FSDP of FSDP2 with tensor parallelism takes the tensor-parallel chunk first") {
    check_against_oracle({{7}, {2, 2}, {strided(0, 2), split(0)}}, {0, 1, 2, 3});
    check_against_oracle({{16, 3}, {3, 2}, {strided(0, 2), split(0)}}, {0, 1, 2, 3, 4, 5});
}

TEST_CASE("an uneven split by three mesh dimensions that PyTorch reads in two ways is refused") {
    const SplitLayout layout{{9}, {2, 2, 3}, {strided(0, 6), split(0), split(0)}};
    REQUIRE(is_ambiguous(layout));
    std::vector<std::uint64_t> ranks(12);
    std::iota(ranks.begin(), ranks.end(), 0);
    check_against_oracle(layout, ranks);
    CHECK_FALSE(is_ambiguous({{12}, {2, 2, 3}, {strided(0, 6), split(0), split(0)}}));
}

TEST_CASE("replicas of HSDP are compared, not copied") {
    IndexBuilder b(4);
    const auto mesh = b.mesh({2, 2}, {0, 1, 2, 3});
    b.tensor("w", Dims{4});
    for (std::uint32_t r = 0; r < 4; ++r) b.placed(r, {2}, mesh, {kReplicate, split(0)});
    const PlannedTensor w = plan_of(b.index()).tensors.at(0);
    REQUIRE(w.copies.size() == 2);
    REQUIRE(w.replicas.size() == 2);
    CHECK((w.copies[0].shard == 0 && w.copies[1].shard == 1));
    CHECK((w.replicas[0].shard == 2 && w.replicas[1].shard == 3));
    CHECK(w.replicas[1].box == Box{{2}, {2}});
    CHECK(w.replicas_stated);
}

TEST_CASE("only a mesh that shards share states that they are replicas") {
    IndexBuilder b(4);
    const auto even = b.mesh({2}, {0, 2}), odd = b.mesh({2}, {1, 3});
    b.tensor("w", Dims{4});
    for (std::uint32_t r = 0; r < 4; ++r) b.placed(r, {2}, r % 2 == 0 ? even : odd, {split(0)});
    b.tensor("v", Dims{4});
    for (std::uint32_t r = 0; r < 4; ++r) b.at(r, {2}, {r / 2 * 2});
    const Plan plan = plan_of(b.index());
    REQUIRE(plan.tensors.size() == 2);
    for (const PlannedTensor& planned : plan.tensors) {
        CAPTURE(planned.name);
        CHECK((planned.copies.size() == 2 && planned.replicas.size() == 2));
        CHECK_FALSE(planned.replicas_stated);
    }
}

TEST_CASE("plain tensors on all ranks are replicas that nothing states") {
    IndexBuilder b(2);
    b.tensor("buffer", {}, DType::i64).plain(0, {3}).plain(1, {3});
    const PlannedTensor planned = plan_of(b.index()).tensors.at(0);
    CHECK(planned.shape == Dims{3});
    CHECK(planned.copies.size() == 1);
    CHECK(planned.replicas.size() == 1);
    CHECK_FALSE(planned.replicas_stated);
}

TEST_CASE("partial placements are added, averages divided by the number of ranks") {
    IndexBuilder b(2);
    const auto mesh = b.mesh({2}, {0, 1});
    b.tensor("w", Dims{3});
    for (std::uint32_t r = 0; r < 2; ++r) b.placed(r, {3}, mesh, {partial(PlacementKind::partial_avg)});
    const PlannedTensor w = plan_of(b.index()).tensors.at(0);
    REQUIRE(w.copies.size() == 2);
    CHECK((w.is_sum && w.divisor == 2 && w.copies[1].box == Box::whole({3})));
}

TEST_CASE("a tensor that is a sum on some ranks only is refused") {
    IndexBuilder b(2);
    const auto mesh = b.mesh({2}, {0, 1});
    b.tensor("w", Dims{3});
    b.placed(0, {3}, mesh, {partial(PlacementKind::partial_avg)});
    b.placed(1, {3}, mesh, {partial(PlacementKind::partial_sum)});
    CHECK(error_of(b.index()) == "'w': its shards have different Partial placements");
}

TEST_CASE("stated origins need no placements") {
    IndexBuilder b(2);
    b.tensor("w", Dims{4, 2});
    b.at(0, {4, 1}, {0, 1});
    b.at(1, {4, 1}, {0, 0});
    const PlannedTensor w = plan_of(b.index()).tensors.at(0);
    REQUIRE(w.copies.size() == 2);
    CHECK(w.copies[0].box == Box{{0, 1}, {4, 1}});
}

TEST_CASE("a local shape that its placements do not give is refused") {
    IndexBuilder b(4);
    const auto mesh = b.mesh({4}, {0, 1, 2, 3});
    b.tensor("w", Dims{7, 6});
    for (std::uint32_t r = 0; r < 4; ++r) b.placed(r, {2, 6}, mesh, {split(0)});
    CHECK(error_of(b.index()) ==
          "'w': rank 3 holds (2, 6), its placements on the mesh (4) give (1, 6) of (7, 6): the file is "
          "damaged, or of a PyTorch version that split otherwise");
}

TEST_CASE("a rank that holds nothing may call it any shape") {
    IndexBuilder b(2);
    const auto mesh = b.mesh({2}, {0, 1});
    b.tensor("w", Dims{1, 3}).placed(0, {1, 3}, mesh, {split(0)}).placed(1, {0, 0}, mesh, {split(0)});
    CHECK(plan_of(b.index()).tensors.at(0).copies.size() == 1);
}

TEST_CASE("plain tensors of different shapes are not guessed about") {
    IndexBuilder b(2);
    b.tensor("w", {}).plain(0, {2, 3}).plain(1, {1, 3});
    CHECK(error_of(b.index()) ==
          "'w': of different shapes on different ranks, and nothing says how it was split: pass "
          "--merger tensor_parallel, with --rules for the model, or --merger concat");
    b.tensor("v", {}).plain(0, {2}).plain(1, {2}).tensor("u", {}).plain(0, {2}).plain(1, {3});
    CHECK(
        error_of(b.index()).starts_with("'w', 'u': of different shapes on different ranks, and nothing says how they"));
}

TEST_CASE("a plain tensor that some ranks lack is refused") {
    IndexBuilder b(3);
    b.tensor("w", {}).plain(0, {2}).plain(2, {2});
    CHECK(error_of(b.index()) ==
          "'w': a plain tensor that rank 1 of 3 lacks: rank files of different runs are mixed, or one is incomplete: "
          "if layers are distributed over ranks, pass --merger tensor_parallel with a mesh");
}

TEST_CASE("a plain tensor may be on the ranks of one pipeline stage, which other tensors show") {
    IndexBuilder b(4);
    const auto first = b.mesh({2}, {0, 1}), second = b.mesh({2}, {2, 3});
    b.tensor("0.w", Dims{4}).placed(0, {2}, first, {split(0)}).placed(1, {2}, first, {split(0)});
    b.tensor("1.w", Dims{4}).placed(2, {2}, second, {split(0)}).placed(3, {2}, second, {split(0)});
    b.tensor("1.count", {}).plain(2, {1}).plain(3, {1});
    const PlannedTensor count = plan_of(b.index()).tensors.at(2);
    CHECK((count.copies.size() == 1 && count.replicas.size() == 1 && !count.replicas_stated));
    b.tensor("odd", {}).plain(1, {1}).plain(2, {1});
    CHECK(error_of(b.index()).ends_with(
        "to take it from the first rank that has it pass --set merge.options.plain=first"));
    CHECK(plan_of(b.index(), {{"plain", "first"}}).tensors.at(3).copies.at(0).shard == 0);
}

TEST_CASE("of buffers that ranks keep for themselves the first rank's can be taken") {
    IndexBuilder b(2);
    b.tensor("seen", {}).plain(0, {3}).plain(1, {3});
    const Plan plan = plan_of(b.index(), {{"plain", "first"}});
    CHECK((plan.tensors.at(0).copies.at(0).shard == 0 && plan.tensors.at(0).replicas.empty()));
    CHECK(plan.warnings ==
          std::vector<std::string>{"of the copies that ranks have of 'seen' the first rank's was taken, "
                                   "the others were not compared"});
}

TEST_CASE("a rank outside the mesh of its shard is refused") {
    IndexBuilder b(2);
    const auto mesh = b.mesh({1}, {0});
    b.tensor("w", Dims{2}).placed(1, {2}, mesh, {split(0)});
    CHECK(error_of(b.index()) ==
          "'w': rank 1 saved a piece on a mesh (1) that it is not part of: rank files of different runs "
          "are mixed");
}

TEST_CASE("a strided shard that is alone holds its part of each piece") {
    IndexBuilder b(2);
    const auto mesh = b.mesh({2}, {0, 1});
    b.tensor("gate_up", Dims{7, 2});
    b.placed(0, {4, 2}, mesh, {strided(0, 2)}).placed(1, {3, 2}, mesh, {strided(0, 2)});
    const std::vector<Copy> copies = plan_of(b.index()).tensors.at(0).copies;
    REQUIRE(copies.size() == 4);
    CHECK((copies[0].box == Box{{0, 0}, {2, 2}} && copies[0].first == 0));
    CHECK((copies[1].box == Box{{4, 0}, {2, 2}} && copies[1].first == 4));
    CHECK((copies[2].box == Box{{2, 0}, {2, 2}} && copies[2].first == 0));
    CHECK((copies[3].box == Box{{6, 0}, {1, 2}} && copies[3].first == 4));
}

TEST_CASE("a split factor that the mesh does not explain is refused") {
    IndexBuilder b(4);
    const auto mesh = b.mesh({2, 2}, {0, 1, 2, 3});
    b.tensor("w", Dims{8}).placed(0, {2}, mesh, {split(0), strided(0, 2)});
    CHECK(error_of(b.index()) ==
          "'w': _StridedShard has split factor 2, the mesh dimensions behind it make 1 parts: this "
          "layout is not supported: save it on a mesh that splits dimension 0 once");
}
