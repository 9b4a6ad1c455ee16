// torch.distributed._shard.sharded_tensor.ShardedTensor: what FSDP1 saves without a device mesh.

#include "plugins/formats/torch/saved_bytes.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

pickle::Code list_of(const std::vector<std::int64_t>& values) {
    pickle::Codes items;
    for (const std::int64_t value : values) items.push_back(pickle::integer(value));
    return pickle::list(items);
}

/// An object whose state is a pair of a dict that is None and the slots.
pickle::Code with_slots(const std::string& type, const pickle::Items& slots) {
    return pickle::object(type) + pickle::tuple({pickle::none(), pickle::dict(slots)}) + "b";
}

pickle::Code local_shard(const pickle::Code& tensor, const std::vector<std::int64_t>& offsets,
                         const std::vector<std::int64_t>& sizes) {
    return with_slots(
        "torch.distributed._shard.sharded_tensor.shard.Shard",
        {{"tensor", tensor},
         {"metadata", with_slots("torch.distributed._shard.metadata.ShardMetadata",
                                 {{"shard_offsets", list_of(offsets)}, {"shard_sizes", list_of(sizes)}})}});
}

/// Which rank of how many saved it.
pickle::Code group_state(std::int64_t rank, std::int64_t ranks) {
    const pickle::Code type = pickle::call("__builtin__.getattr",
                                           {pickle::global("torch.distributed._shard.sharded_tensor.api.ShardedTensor"),
                                            pickle::text("ProcessGroupState")});
    return type + pickle::tuple({}) + "\x81" +
           pickle::dict({{"global_rank", pickle::integer(rank)}, {"global_world_size", pickle::integer(ranks)}}) + "b";
}

std::string file_with(const pickle::Codes& local_shards, const pickle::Code& group = pickle::none()) {
    const pickle::Code type = pickle::global("torch.distributed._shard.sharded_tensor.api.ShardedTensor");
    const pickle::Code metadata = pickle::built(
        "torch.distributed._shard.sharded_tensor.metadata.ShardedTensorMetadata", {{"size", size({6, 2})}});
    return file_of(
        pickle::call(
            "torch._tensor._rebuild_from_type_v2",
            {pickle::global("torch._utils._rebuild_wrapper_subclass"), type, wrapper_args(type, {6, 2}),
             pickle::tuple({pickle::list(local_shards), metadata, group, pickle::none(), pickle::boolean(false)})}),
        {std::string(16, 'x')});
}

}  // namespace

TEST_CASE("a ShardedTensor's shards state where they lie") {
    const SourceTensor w = read_bytes(file_with({local_shard(floats("0", {2, 2}), {4, 0}, {2, 2})})).tensors.at(0);
    CHECK(w.shape == Dims{6, 2});
    CHECK(w.shards.size() == 1);
    CHECK(w.shards.at(0).spec->origin == Dims{4, 0});
    CHECK(w.shards.at(0).spec->shape == Dims{2, 2});
    CHECK(w.shards.at(0).spec->mesh == std::nullopt);
}

TEST_CASE("a rank may hold no shard of a ShardedTensor, or several") {
    CHECK(read_bytes(file_with({})).tensors.at(0).shards.empty());
    const pickle::Code shard = local_shard(floats("0", {2, 2}), {0, 0}, {2, 2});
    CHECK(read_bytes(file_with({shard, shard})).tensors.at(0).shards.size() == 2);
}

TEST_CASE("a ShardedTensor's shard must have the sizes of its metadata") {
    CHECK(read_error(file_with({local_shard(floats("0", {2, 2}), {0, 0}, {3, 2})})) ==
          "'w': its shard is (2, 2), its metadata says (3, 2)");
}

TEST_CASE("a ShardedTensor may state which rank of how many saved it") {
    const std::string bytes = file_with({}, group_state(1, 3));
    CHECK(read_bytes(file_with({})).world_size == std::nullopt);
    CHECK(read_bytes(bytes, {.rank = 1, .root = "", .opaque = {}}).world_size == 3);
    CHECK(read_error(bytes, {.rank = 2, .root = "", .opaque = {}}) ==
          "'w': it was saved by rank 1, the file's name says rank 2: rank files were swapped or copied: give each the "
          "name it was saved under");
}
