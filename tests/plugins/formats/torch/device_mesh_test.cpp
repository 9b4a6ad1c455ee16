#include "plugins/formats/torch/saved_bytes.hpp"
#include "support/catch.hpp"

#include <numeric>

using namespace unshard;
using namespace unshard::test;
using pickle::integers;
using Ranks = std::vector<std::uint64_t>;

namespace {

const std::string kLocal(8, 'x');

/// A file of rank `rank` with a replicated DTensor on this mesh, whose ranks are storage 1.
std::string file_on(const pickle::Code& mesh, std::size_t mesh_dims, const Ranks& ranks) {
    return file_of(dtensor(floats("0", {2}), {2}, mesh, pickle::Codes(mesh_dims, replicate_placement())),
                   {kLocal, int32_bytes(ranks)});
}

Mesh mesh_of(const std::string& bytes, std::uint64_t rank) {
    return read_bytes(bytes, {.rank = rank, .root = "", .opaque = {}}).meshes.at(0);
}

std::string mesh_error(const std::string& bytes, std::uint64_t rank) {
    return read_error(bytes, {.rank = rank, .root = "", .opaque = {}});
}

pickle::Code names(const std::vector<std::string>& names) {
    pickle::Codes items;
    for (const std::string& name : names) items.push_back(pickle::text(name));
    return pickle::tuple(items);
}

const Ranks kEight = {0, 1, 2, 3, 4, 5, 6, 7};
const Axis kOuter = {{2}, {4}}, kMiddle = {{2}, {2}}, kInner = {{2}, {1}};

}  // namespace

TEST_CASE("a mesh given as a tensor of ranks") {
    const pickle::Code mesh = mesh_by_tensor("1", {2, 2}, {{"mesh_dim_names", names({"ddp", "fsdp"})}});
    CHECK(mesh_of(file_on(mesh, 2, {0, 1, 2, 3}), 0) == Mesh{{2, 2}, {"ddp", "fsdp"}, {0, 1, 2, 3}});
}

TEST_CASE("a mesh without names") {
    CHECK(mesh_of(file_on(mesh_by_tensor("1", {2}, {{"mesh_dim_names", pickle::none()}}), 1, {1, 0}), 0) ==
          Mesh{{2}, {}, {1, 0}});
}

TEST_CASE("a mesh given as a layout over the ranks of the run") {
    const pickle::Code mesh =
        mesh_by_layout("1", 8, {kOuter, kMiddle, kInner}, {{"_mesh_dim_names", names({"a", "b", "c"})}});
    CHECK(mesh_of(file_on(mesh, 3, kEight), 5) == Mesh{{2, 2, 2}, {"a", "b", "c"}, kEight});
}

TEST_CASE("a sliced mesh is the copy that the file's rank is in") {
    const std::string outer_inner = file_on(mesh_by_layout("1", 8, {kOuter, kInner}), 2, kEight);
    CHECK(mesh_of(outer_inner, 0) == Mesh{{2, 2}, {}, {0, 1, 4, 5}});
    CHECK(mesh_of(outer_inner, 7) == Mesh{{2, 2}, {}, {2, 3, 6, 7}});
    const std::string middle = file_on(mesh_by_layout("1", 8, {kMiddle}), 1, kEight);
    CHECK(mesh_of(middle, 4) == Mesh{{2}, {}, {4, 6}});
}

TEST_CASE("a layout goes through the rank map, however that is permuted") {
    const std::string bytes = file_on(mesh_by_layout("1", 8, {kInner, kOuter}), 2, {7, 6, 5, 4, 3, 2, 1, 0});
    CHECK(mesh_of(bytes, 0) == Mesh{{2, 2}, {}, {5, 1, 4, 0}});
}

TEST_CASE("a flattened axis has several strides, an axis of one rank has none") {
    const std::string bytes = file_on(mesh_by_layout("1", 8, {{{2, 2}, {4, 1}}, {{}, {}}}), 2, kEight);
    CHECK(mesh_of(bytes, 2) == Mesh{{4, 1}, {}, {2, 3, 6, 7}});
}

TEST_CASE("the layout of PyTorch 2.10 is nested tuples") {
    const auto layout = [](const pickle::Code& shape, const pickle::Code& stride) {
        return pickle::built("torch.distributed.device_mesh.DeviceMesh",
                             {{"_layout", pickle::built("torch.distributed._mesh_layout._MeshLayout",
                                                        {{"shape", shape}, {"stride", stride}})},
                              {"_rank_map", strided(storage("IntStorage", "1", 8), 0, {8}, {1})}});
    };
    const pickle::Code nested = layout(pickle::tuple({integers({2, 2}), pickle::integer(2)}),
                                       pickle::tuple({integers({4, 1}), pickle::integer(2)}));
    CHECK(mesh_of(file_on(nested, 2, kEight), 0) == Mesh{{4, 2}, {}, {0, 2, 1, 3, 4, 6, 5, 7}});
    CHECK(mesh_of(file_on(layout(pickle::integer(2), pickle::integer(4)), 1, kEight), 3) == Mesh{{2}, {}, {3, 7}});
}

TEST_CASE("equal meshes of one file are one") {
    const pickle::Code tensor = dtensor(floats("0", {2}), {2}, mesh_by_tensor("1", {1}), {replicate_placement()});
    CHECK(
        read_bytes(torch_file(state_dict({{"a", tensor}, {"b", tensor}}), {kLocal, int32_bytes({0})})).meshes.size() ==
        1);
}

TEST_CASE("a file under another rank's name is refused by its mesh coordinate") {
    const pickle::Code mesh =
        mesh_by_tensor("1", {2, 2}, {{"_coordinate_on_dim", pickle::list({pickle::integer(1), pickle::integer(0)})}});
    const std::string bytes = file_on(mesh, 2, {0, 1, 2, 3});
    const std::string cure = ": rank files were swapped or copied: give each the name it was saved under";
    CHECK(mesh_of(bytes, 2).shape == Dims{2, 2});
    CHECK(mesh_error(bytes, 1) ==
          "'w': it is the shard of mesh coordinate (1, 0), the file's name says rank 1, which is at (0, 1)" + cure);
    CHECK(mesh_error(bytes, 9) ==
          "'w': it is the shard of mesh coordinate (1, 0), the file's name says rank 9, which is not in the mesh" +
              cure);
}

TEST_CASE("a file under another rank's name is refused by the rank that it states") {
    const std::string bytes = file_on(mesh_by_layout("1", 8, {kOuter}, {{"_rank", pickle::integer(2)}}), 1, kEight);
    CHECK(mesh_of(bytes, 2) == Mesh{{2}, {}, {2, 6}});
    CHECK(mesh_error(bytes, 6) ==
          "'w': it was saved by rank 2, the file's name says rank 6: rank files were swapped or "
          "copied: give each the name it was saved under");
}

TEST_CASE("a mesh that is not sound is refused") {
    const auto layout_error = [](const std::vector<Axis>& axes) {
        return mesh_error(file_on(mesh_by_layout("1", 8, axes), axes.size(), kEight), 0);
    };
    constexpr std::int64_t kHuge = std::int64_t{1} << 62;
    CHECK(layout_error({{{16}, {1}}}) == "'w': the layout of its mesh has 16 ranks of a run of 8");
    CHECK(layout_error({{{0}, {1}}}) == "'w': the layout of its mesh has 0 ranks of a run of 8");
    CHECK(layout_error({{{2}, {0}}}) == "'w': the layout of its mesh overlaps itself");
    CHECK(layout_error({{{2}, {2}}, {{2}, {3}}}) == "'w': the layout of its mesh overlaps itself");
    CHECK(layout_error({{{2}, {5}}}) == "'w': the layout of its mesh points outside the run's ranks");
    CHECK(layout_error({{{2}, {kHuge}}}) == "'w': the layout of its mesh points outside the run's ranks");
    CHECK(layout_error({{{kHuge, 8}, {1, 1}}}) == "'w': size overflow: 4611686018427387904 * 8 does not fit 64 bits");
    CHECK(layout_error({{{2, 2}, {1}}}) == "'w': the layout of its mesh has sizes and strides of different length");
    CHECK(mesh_error(file_on(mesh_by_layout("1", 8, {kInner}), 1, kEight), 8) ==
          "'w': its mesh is of a run without rank 8");
    CHECK(mesh_error(file_on(mesh_by_tensor("1", {1}), 1, {0xffffffff}), 0) == "'w': a rank is negative: -1");
    CHECK(mesh_error(file_on(pickle::none(), 1, {}), 0) == "'w': its mesh is None, not a DeviceMesh");
}

TEST_CASE("a rank may have saved a mesh that it is not in, when there is one copy of it") {
    const std::string bytes = file_on(mesh_by_layout("1", 2, {{{2}, {1}}}), 1, {4, 6});
    CHECK(mesh_of(bytes, 6).ranks == Ranks{4, 6});
    CHECK(mesh_of(bytes, 5).ranks == Ranks{4, 6});
}

TEST_CASE("meshes that are hundreds of copies of one list of ranks are refused before they grow") {
    Ranks ranks(1 << 20);
    std::iota(ranks.begin(), ranks.end(), std::uint64_t{0});
    pickle::Items same, different;
    for (int i = 0; i < 100; ++i) {
        const pickle::Code named = names({"m" + std::to_string(i)});
        const auto on = [](const pickle::Code& mesh) {
            return dtensor(floats("0", {2}), {2}, mesh, {replicate_placement()});
        };
        same.emplace_back(std::to_string(i), on(mesh_by_tensor("1", {1 << 20})));
        different.emplace_back(std::to_string(i), on(mesh_by_tensor("1", {1 << 20}, {{"mesh_dim_names", named}})));
    }
    CHECK(read_error(torch_file(state_dict(same), {kLocal, int32_bytes(ranks)})) ==
          "'64': the file has so many meshes that more than 67108864 ranks would be read: that is no checkpoint of "
          "PyTorch");
    CHECK(read_error(torch_file(state_dict(different), {kLocal, int32_bytes(ranks)})) ==
          "'2': the file has 3 different meshes of 3145728 ranks together: that is no checkpoint of PyTorch");
}
