#include "torch/saved_file.hpp"

#include "support/catch.hpp"
#include "unit/torch/saved_bytes.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

ZipBuilder archive() {
    ZipBuilder zip;
    zip.add({.name = "archive/data.pkl", .bytes = pickle::file(state_dict({{"w", floats("0", {1})}}))});
    zip.add({.name = "archive/data/0", .bytes = "1234"});
    return zip;
}

}  // namespace

TEST_CASE("an archive without a stated byte order is little-endian") {
    CHECK(read_bytes(archive().build()).tensors.size() == 1);
}

TEST_CASE("an archive of a big-endian machine is refused") {
    CHECK(read_error(archive().add({.name = "archive/byteorder", .bytes = "big"}).build()) ==
          "saved on a big-endian machine: save it again on a little-endian one");
    CHECK(read_error(archive().add({.name = "archive/byteorder", .bytes = "middle"}).build()) ==
          "its byte order is 'middle', which is neither 'little' nor 'big'");
}

TEST_CASE("a zip that is no archive of torch.save is refused") {
    CHECK(read_error(ZipBuilder().add({.name = "a/b", .bytes = "x"}).build()) ==
          "a zip without 'data.pkl': not written by torch.save");
    CHECK(read_error(archive().add({.name = "b/data.pkl", .bytes = "N."}).build()) ==
          "a zip with both 'archive/data.pkl' and 'b/data.pkl': not written by torch.save");
}

TEST_CASE("an error names the file once") {
    const TempDir directory;
    write_file(directory / "f.pt", "");
    const std::string file = directory / "f.pt";
    CHECK(error_of([&] { torch::read_state_dict(InputFile(file), {}); }) ==
          file + ": not a zip file, as torch.save writes: it is empty");
}

TEST_CASE("a call of os.system is refused, not made") {
    CHECK(
        read_error(torch_file(state_dict({{"w", pickle::call("os.system", {pickle::text("touch /owned")})}}), {})) ==
        "'data.pkl' calls 'os.system', which is not on the allow-list: nothing from a pickle is run; if this function "
        "is harmless, pass --opaque os.system to let it through as an inert value");
}

TEST_CASE("an archive embedded in a larger file is read by its range") {
    const TempDir directory;
    const std::string zip = archive().build();
    write_file(directory / "f", "before" + zip + "behind");
    const InputFile input(directory / "f");
    const torch::SavedFile file(input, {}, torch::ByteRange{6, zip.size()});
    CHECK(file.read(file.storage("0")) == "1234");
}
