#include "plugins/formats/torch/saved_bytes.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;
using pickle::integers;
using Placements = std::vector<Placement>;

namespace {

const Placement kReplicate{};
Placement split(std::uint32_t dim) {
    return {PlacementKind::shard, dim, 1};
}
Placement strided_split(std::uint32_t dim, std::uint64_t factor) {
    return {PlacementKind::strided_shard, dim, factor};
}

pickle::Code partial(const std::string& operation) {
    return pickle::built("torch.distributed.tensor.placement_types.Partial", {{"reduce_op", pickle::text(operation)}});
}

/// A (6, 4) DTensor on a mesh of these sizes, saved by rank 0.
std::string file_with(const std::vector<std::int64_t>& mesh, const pickle::Codes& placements,
                      const pickle::Items& more = {}) {
    std::vector<std::uint64_t> ranks;
    std::int64_t count = 1;
    for (const std::int64_t size : mesh) count *= size;
    for (std::int64_t i = 0; i < count; ++i) ranks.push_back(static_cast<std::uint64_t>(i));
    return file_of(dtensor(floats("0", {1, 2}), {6, 4}, mesh_by_tensor("1", mesh), placements, more),
                   {"12345678", int32_bytes(ranks)});
}

Placements placements_of(const std::string& bytes) {
    return read_bytes(bytes).tensors.at(0).shards.at(0).spec->placements;
}

pickle::Code order_entry(std::int64_t dim, const std::vector<std::int64_t>& mesh_dims) {
    return pickle::object("torch.distributed.tensor._dtensor_spec.ShardOrderEntry",
                          {pickle::integer(dim), pickle::integers(mesh_dims)});
}

}  // namespace

TEST_CASE("a DTensor is its local tensor, its whole shape, its mesh and its placements") {
    const SourceTensor w = read_bytes(file_with({2, 3}, {replicate_placement(), shard_placement(0)})).tensors.at(0);
    CHECK(w.dtype == DType::f32);
    CHECK(w.shape == Dims{6, 4});
    CHECK(w.shards.at(0).spec->shape == Dims{1, 2});
    CHECK(w.shards.at(0).bytes == 8);
    CHECK(w.shards.at(0).spec->mesh == 0);
    CHECK(w.shards.at(0).spec->placements == Placements{kReplicate, split(0)});
}

TEST_CASE("placements of every kind") {
    CHECK(placements_of(file_with({2, 2}, {strided_placement(0, 2), shard_placement(0)})) ==
          Placements{strided_split(0, 2), split(0)});
    CHECK(placements_of(file_with({2, 2}, {partial("sum"), partial("avg")})) ==
          Placements{{PlacementKind::partial_sum, 0, 1}, {PlacementKind::partial_avg, 0, 1}});
    CHECK(placements_of(file_with({2}, {shard_placement(-1)})) == Placements{split(1)});
}

TEST_CASE("placements that are not understood are refused by name") {
    CHECK(read_error(file_with({2}, {partial("max")})) == "'w': it is Partial(max): only sum and avg are supported");
    CHECK(read_error(file_with({2}, {pickle::none()})) == "'w': its placement is None, which is not known");
    CHECK(read_error(file_with({2}, {pickle::object("torch.distributed.tensor.placement_types._Ragged")})) ==
          "'w': its placement is an object of class 'torch.distributed.tensor.placement_types._Ragged', which is not "
          "known");
    CHECK(read_error(file_with({2}, {shard_placement(2)})) == "'w': a placement splits dimension 2 of a tensor with 2");
    CHECK(read_error(file_with({2, 2}, {shard_placement(0)})) ==
          "'w': it has 1 placement on a mesh (2, 2), not one for each mesh dimension: the file is damaged");
}

TEST_CASE("an order of shards from right to left becomes a strided shard") {
    const auto with_order = [](const std::vector<std::int64_t>& order) {
        return placements_of(file_with({2, 3, 5}, {shard_placement(0), shard_placement(0), shard_placement(0)},
                                       {{"shard_order", pickle::tuple({order_entry(0, order)})}}));
    };
    CHECK(with_order({0, 1, 2}) == Placements{split(0), split(0), split(0)});
    CHECK(with_order({2, 1, 0}) == Placements{strided_split(0, 15), strided_split(0, 5), split(0)});
    CHECK(with_order({0, 2, 1}) == Placements{split(0), strided_split(0, 5), split(0)});
}

TEST_CASE("an order of shards that contradicts the placements is refused") {
    const auto error = [](const pickle::Code& entry) {
        return read_error(
            file_with({2, 2}, {shard_placement(0), replicate_placement()}, {{"shard_order", pickle::tuple({entry})}}));
    };
    CHECK(error(order_entry(0, {1})) == "'w': its shard_order contradicts its placements");
    CHECK(error(order_entry(1, {0})) == "'w': its shard_order contradicts its placements");
    CHECK(error(order_entry(0, {0, 0})) == "'w': its shard_order contradicts its placements");
    CHECK(error(order_entry(0, {7})) == "'w': its shard_order contradicts its placements");
}

TEST_CASE("a DTensor on a mesh without the file's rank has no shard there") {
    const pickle::Code mesh = mesh_by_tensor("1", {2});
    const std::string bytes =
        file_of(dtensor(floats("0", {0}), {6, 4}, mesh, {shard_placement(0)}), {"", int32_bytes({1, 2})});
    CHECK(read_bytes(bytes).tensors.at(0).shards.empty());
}

TEST_CASE("a DTensor whose parts disagree is refused") {
    const auto error = [](const pickle::Code& local, const pickle::Code& meta) {
        return read_error(
            file_of(dtensor(local, {6, 4}, mesh_by_tensor("1", {1}), {shard_placement(0)}, {{"tensor_meta", meta}}),
                    {"12345678", int32_bytes({0})}));
    };
    CHECK(error(floats("0", {2}), pickle::none()) == "'w': its shape is (6, 4), its local tensor's (2)");
    CHECK(error(strided(storage("LongStorage", "0", 1), 0, {1, 1}, {1, 1}), pickle::none()) ==
          "'w': its dtype is f32, its local tensor's i64");
}

TEST_CASE("the whole shape must be the same wherever it is stated") {
    std::string bytes = file_with({1}, {shard_placement(0)});
    const std::string stated = pickle::call("torch.Size", {pickle::integers({6, 4})});
    const std::string other = pickle::call("torch.Size", {pickle::integers({6, 5})});
    bytes.replace(bytes.find(stated), stated.size(), other);
    CHECK(read_error(bytes) == "'w': as a whole it is f32 (6, 4), its tensor_meta says f32 (6, 5)");
}

TEST_CASE("a tensor_meta that is not what PyTorch writes is refused") {
    const std::string type = "torch.distributed.tensor._dtensor_spec.TensorMeta";
    const auto error = [](const pickle::Code& meta) {
        return read_error(file_with({1}, {shard_placement(0)}, {{"tensor_meta", meta}}));
    };
    CHECK(error(pickle::object(type, {size({6, 4}), integers({6, 4}), pickle::global("torch.float64")})) ==
          "'w': as a whole it is f32 (6, 4), its tensor_meta says f64 (6, 4)");
    CHECK(error(pickle::object(type, {size({6, 4})})) ==
          "'w': its tensor_meta is made by '" + type + "' in another way than PyTorch does");
    CHECK(error(pickle::integer(1)) == "'w': its tensor_meta is an integer");
}

TEST_CASE("the parts of a DTensor must be of PyTorch's classes") {
    const auto with = [](const pickle::Code& order) {
        return read_error(file_with({2}, {shard_placement(0)}, {{"shard_order", order}}));
    };
    CHECK(with(pickle::tuple({pickle::object("my.Entry", {pickle::integer(0), integers({0})})})) ==
          "'w': its shard_order holds an object of class 'my.Entry'");
    CHECK(with(pickle::tuple({order_entry(0, {0}), order_entry(0, {0})})) ==
          "'w': its shard_order has more entries than the mesh has dimensions");
}
