// Damaged and hostile files: each gives values or an Error, never a crash. Worth most under sanitizers.

#include "support/catch.hpp"
#include "unit/torch/saved_bytes.hpp"

#include <random>

using namespace unshard;
using namespace unshard::test;

namespace {

/// A small file with everything in it: a plain tensor, a DTensor on a layout mesh, another on a mesh tensor.
std::string valid_file() {
    const pickle::Code by_layout = mesh_by_layout("1", 4, {{{2}, {2}}, {{2}, {1}}}, {{"_rank", pickle::integer(0)}});
    const pickle::Code by_tensor = mesh_by_tensor("1", {2, 2}, {{"mesh_dim_names", pickle::none()}});
    return torch_file(
        state_dict(
            {{"plain", floats("0", {2, 2})},
             {"placed", dtensor(floats("0", {2, 2}), {4, 4}, by_layout, {shard_placement(0), shard_placement(1)})},
             {"older", dtensor(floats("0", {2, 2}), {4, 2}, by_tensor, {replicate_placement(), shard_placement(0)})}}),
        {std::string(16, 'x'), int32_bytes({0, 1, 2, 3})});
}

/// Reads bytes that may be anything; an Error is fine, other exceptions are not.
void survive(const std::string& bytes) {
    const TempDir directory;
    write_file(directory / "f.pt", bytes);
    try {
        torch::read_state_dict(InputFile(directory / "f.pt"), {});
    } catch (const Error&) {
    }
}

/// The same for the bytes of a pickle alone, whatever the archive around it says.
void survive_pickle(const std::string& pickle) {
    ZipBuilder zip;
    zip.add({.name = "a/data.pkl", .bytes = pickle});
    zip.add({.name = "a/data/0", .bytes = std::string(16, 'x')});
    zip.add({.name = "a/data/1", .bytes = int32_bytes({0, 1, 2, 3})});
    survive(zip.build());
}

std::string valid_pickle() {
    const std::string file = valid_file();
    const std::size_t begin = file.find("\x80\x02");
    return file.substr(begin, file.find("PK\3\4", begin) - begin);
}

void flip(std::string& bytes, std::mt19937& random) {
    std::uniform_int_distribution<std::size_t> at(0, bytes.size() - 1);
    std::uniform_int_distribution<int> byte(0, 255);
    for (int flips = 1 + byte(random) % 3; flips > 0; --flips) bytes[at(random)] = static_cast<char>(byte(random));
}

}  // namespace

TEST_CASE("the file that is damaged below is valid") {
    CHECK(read_bytes(valid_file()).tensors.size() == 3);
}

TEST_CASE("a file cut at any byte is an error") {
    const std::string file = valid_file();
    for (std::size_t size = 0; size < file.size(); ++size) {
        if (read_error(file.substr(0, size)).empty()) FAIL("cut at " << size << " went unnoticed");
    }
}

TEST_CASE("a pickle cut at any byte is an error") {
    const std::string whole = valid_pickle();
    for (std::size_t size = 0; size < whole.size(); ++size) survive_pickle(whole.substr(0, size));
}

TEST_CASE("a file with random bytes in random places gives values or an error") {
    std::mt19937 random(1);
    for (int i = 0; i < 3000; ++i) {
        std::string file = valid_file();
        flip(file, random);
        survive(file);
    }
}

TEST_CASE("a pickle with random bytes in random places gives values or an error") {
    std::mt19937 random(2);
    for (int i = 0; i < 3000; ++i) {
        std::string pickle = valid_pickle();
        flip(pickle, random);
        survive_pickle(pickle);
    }
}

TEST_CASE("values nested without end are no state dict") {
    const std::string depth(100'000, '\x85');
    CHECK(read_error(torch_file(")" + depth, {})) == "the file is a tuple, not a state dict");
    CHECK(read_error(torch_file(state_dict({{"w", ")" + depth}, {"t", floats("0", {1})}}), {"1234"})).empty());
}

TEST_CASE("a state dict that contains itself is read once") {
    const std::string cyclic =
        "}" + pickle::put(0) + pickle::text("self") + pickle::get(0) + "s" + pickle::text("w") + floats("0", {1}) + "s";
    const torch::StateDict dict = read_bytes(torch_file(cyclic, {"1234"}));
    CHECK(dict.tensors.size() == 1);
    CHECK(dict.dropped.at(0).name == "self");
}
