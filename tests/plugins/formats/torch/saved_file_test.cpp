#include "formats/torch/saved_file.hpp"

#include "plugins/formats/torch/saved_bytes.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

ZipBuilder archive() {
    ZipBuilder zip;
    zip.add({.name = "archive/data.pkl", .bytes = pickle::file(state_dict({{"w", floats("0", {1})}}))});
    zip.add({.name = "archive/data/0", .bytes = "1234"});
    zip.add({.name = "archive/version", .bytes = "3\n"});
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
          "its byte order is neither 'little' nor 'big': the file is damaged: copy or save it again");
    CHECK(read_error(archive().add({.name = "archive/BYTEORDER", .bytes = "big"}).build()) ==
          "saved on a big-endian machine: save it again on a little-endian one");
}

TEST_CASE("a zip that is no archive of torch.save is refused") {
    CHECK(read_error(ZipBuilder().add({.name = "a/b", .bytes = "x"}).build()) ==
          "a zip without 'data.pkl': not written by torch.save");
    CHECK(read_error(archive().add({.name = "b/data.pkl", .bytes = "N."}).build()) ==
          "a zip with entries in 'archive/' and in 'b/': not written by torch.save");
    CHECK(read_error(archive().add({.name = "archive/constants.pkl", .bytes = "N."}).build()) ==
          "a TorchScript model, whose code is part of it: save its state_dict() with torch.save");
}

TEST_CASE("an archive of a version that is not known is refused") {
    const auto error = [](const std::string& name, const std::string& bytes) {
        ZipBuilder zip;
        zip.add({.name = "a/data.pkl", .bytes = pickle::file(state_dict({{"w", floats("0", {1})}}))});
        zip.add({.name = "a/data/0", .bytes = "1234"}).add({.name = "a/" + name, .bytes = bytes});
        if (name != "version") zip.add({.name = "a/version", .bytes = "3\n"});
        return read_error(zip.build());
    };
    CHECK(error("version", "10\n").empty());
    CHECK(error("version", "999\n") == "its version is 999, 1 to 10 are known: it is of a newer PyTorch, or damaged");
    CHECK(error("version", "3x") == "'version' is no number: the file is damaged: copy or save it again");
    CHECK(error(".format_version", "2") == "its format version is 2, 1 is known: it is of a newer PyTorch, or damaged");
    CHECK(error("versions", "3\n").empty());
    CHECK(read_error(ZipBuilder().add({.name = "a/data.pkl", .bytes = pickle::file(state_dict({}))}).build()) ==
          "a zip without a 'version': not written by torch.save");
}

TEST_CASE("what PyTorch padded must begin where the archive aligns it") {
    const auto error = [](const std::string& alignment, bool is_padded) {
        ZipBuilder zip;
        zip.add({.name = "a/data.pkl", .bytes = pickle::file(state_dict({{"w", floats("0", {1})}}))});
        zip.add({.name = "a/data/0", .bytes = "1234", .local_extra = is_padded ? "FB" + le(0, 2) : ""});
        zip.add({.name = "a/version", .bytes = "3\n"});
        if (!alignment.empty()) zip.add({.name = "a/.storage_alignment", .bytes = alignment});
        return read_error(zip.build());
    };
    CHECK(error("64", false).empty());  // written by another zip program
    CHECK(error("1", true).empty());
    CHECK(error("0", true) == "its storages are aligned to 0 bytes: the file is damaged: copy or save it again");
    const std::string cure = ", no multiple of 64: the file is damaged: copy or save it again";
    CHECK(error("64", true).ends_with(cure));
    CHECK(error("", true).ends_with(cure));
}

TEST_CASE("a small record whose bytes do not match its CRC-32 is refused") {
    const auto error = [](std::uint32_t crc32) {
        ZipBuilder zip = archive();
        return read_error(zip.add({.name = "archive/byteorder", .bytes = "little", .crc32 = crc32}).build());
    };
    CHECK(error(0x19e33d85).empty());
    CHECK(error(0).empty());  // not computed
    CHECK(error(0x19e33d86) ==
          "'byteorder' is damaged: its bytes do not match its CRC-32: copy or save the file again");
}

TEST_CASE("a shard has the CRC-32 of its storage, and ranks that are read are held against it") {
    const auto file = [](const pickle::Code& tensor, std::uint32_t crc32) {
        ZipBuilder zip;
        zip.add({.name = "a/data.pkl", .bytes = pickle::file(state_dict({{"w", tensor}}))});
        zip.add({.name = "a/data/0", .bytes = "1234", .crc32 = 0x9be3e0a3});
        zip.add({.name = "a/data/1", .bytes = int32_bytes({0}), .crc32 = crc32});
        return zip.add({.name = "a/version", .bytes = "3\n"}).build();
    };
    CHECK(read_bytes(file(floats("0", {1}), 0)).tensors.at(0).shards.at(0).crc32 == 0x9be3e0a3);
    const pickle::Code placed = dtensor(floats("0", {1}), {1}, mesh_by_tensor("1", {1}), {replicate_placement()});
    CHECK(read_error(file(placed, 0x2144df1c)).empty());
    CHECK(read_error(file(placed, 0x2144df1d)) ==
          "'w': a storage that is needed is damaged: its bytes do not match its CRC-32: copy or save the file again");
}

TEST_CASE("a storage is of one type and length, whoever uses it") {
    const auto error = [](const std::string& type, std::int64_t count) {
        return read_error(torch_file(state_dict({{"w", strided(storage("IntStorage", "0", 1), 0, {1}, {1})},
                                                 {"v", strided(storage(type, "0", count), 0, {1}, {1})}}),
                                     {"1234"}));
    };
    CHECK(error("IntStorage", 1).empty());
    const std::string two =
        "storage 'data/0' is said to be of two types or lengths: the file is damaged: copy or save it again";
    CHECK(error("FloatStorage", 1) == two);
    CHECK(error("IntStorage", 2) == two);
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
        "'data.pkl' calls 'os.system', which Python would run when it loads the file; unshard runs nothing of it, and "
        "does not believe the rest: get the checkpoint from where it was trained");
}

TEST_CASE("an archive embedded in a larger file is read by its range") {
    const TempDir directory;
    const std::string zip = archive().build();
    write_file(directory / "f", "before" + zip + "behind");
    const InputFile input(directory / "f");
    const torch::SavedFile file(input, {}, torch::ByteRange{6, zip.size()});
    CHECK(file.read(file.storage("0")) == "1234");
}
