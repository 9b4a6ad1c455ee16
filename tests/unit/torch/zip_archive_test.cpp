#include "torch/zip_archive.hpp"
#include "support/catch.hpp"
#include "support/zip_builder.hpp"
#include "unit/engine/error_text.hpp"
#include "unit/engine/temp_dir.hpp"

using namespace unshard;
using namespace unshard::test;
using torch::ByteRange;
using torch::ZipEntries;

namespace {

ZipEntries read(const std::string& bytes, ByteRange range) {
    const TempDir directory;
    write_file(directory / "z", bytes);
    return torch::read_zip(InputFile(directory / "z"), range);
}

ZipEntries read(const std::string& bytes) {
    return read(bytes, {0, bytes.size()});
}

std::string error_of_zip(const std::string& bytes) {
    return error_of([&] { read(bytes); });
}

ZipBuilder two_entries() {
    ZipBuilder zip;
    zip.add({.name = "a/x", .bytes = "12345"})
        .add({.name = "a/y", .bytes = "678", .local_extra = std::string(13, 'F')});
    return zip;
}

const ZipEntries kTwoEntries = {{"a/x", {33, 5}}, {"a/y", {38 + 33 + 13, 3}}};

}  // namespace

TEST_CASE("a zip directory gives the names of entries and where their bytes lie") {
    CHECK(read(two_entries().build()) == kTwoEntries);
}

TEST_CASE("zip64 fields replace sizes and offsets of 32 bits") {
    ZipBuilder zip = two_entries();
    zip.zip64 = true;
    CHECK(read(zip.build()) == kTwoEntries);
}

TEST_CASE("an archive inside a larger file is read by its range") {
    const std::string zip = two_entries().build();
    const ZipEntries entries = read("leading" + zip + "trailing", {7, zip.size()});
    CHECK(entries == ZipEntries{{"a/x", {40, 5}}, {"a/y", {45 + 33 + 13, 3}}});
}

TEST_CASE("a comment behind the end record is skipped") {
    std::string zip = two_entries().build();
    zip[zip.size() - 2] = 4;
    CHECK(read(zip + "PK\5\6") == kTwoEntries);
}

TEST_CASE("an empty archive has no entries") {
    CHECK(read(ZipBuilder().build()).empty());
}

TEST_CASE("a compressed entry is refused by name") {
    const std::string zip = ZipBuilder().add({.name = "a/data/17", .bytes = "x", .method = 8}).build();
    CHECK(error_of_zip(zip) ==
          "entry 'a/data/17' is compressed (method 8); only stored entries are supported: save the file again with "
          "torch.save");
}

TEST_CASE("an encrypted entry is refused by name") {
    const std::string zip = ZipBuilder().add({.name = "a", .bytes = "x", .flags = 1}).build();
    CHECK(error_of_zip(zip) == "entry 'a' is encrypted: only plain entries are supported");
}

TEST_CASE("two entries of one name are refused") {
    const std::string zip = ZipBuilder().add({.name = "a", .bytes = "x"}).add({.name = "a", .bytes = "y"}).build();
    CHECK(error_of_zip(zip) == "damaged zip: entry 'a' is there twice");
}

TEST_CASE("an entry whose bytes end outside the archive is refused") {
    ZipBuilder zip;
    zip.zip64 = GENERATE(false, true);
    zip.add({.name = "a", .bytes = "x", .more_size = 1000});
    const std::string bytes = zip.build();
    CHECK(error_of_zip(bytes) ==
          "truncated: entry 'a' needs 1001 bytes at 31, the archive ends at " + std::to_string(bytes.size()));
}

TEST_CASE("entries that overlap each other or the directory are refused") {
    const std::string entries =
        ZipBuilder().add({.name = "a", .bytes = "x", .more_size = 5}).add({.name = "b", .bytes = "y"}).build();
    CHECK(error_of_zip(entries) == "damaged zip: entries 'a' and 'b' overlap");
    const std::string directory = ZipBuilder().add({.name = "a", .bytes = "x", .more_size = 5}).build();
    CHECK(error_of_zip(directory) == "damaged zip: entries 'a' and 'the directory' overlap");
}

TEST_CASE("an offset that leads to no local header is refused") {
    const std::string near = ZipBuilder().add({.name = "a", .bytes = "xyz", .more_offset = 1}).build();
    CHECK(error_of_zip(near) == "damaged zip: the data of entry 'a' is not where the directory says");
    ZipBuilder far;
    far.zip64 = true;
    const std::string bytes = far.add({.name = "a", .bytes = "x", .more_offset = -10}).build();
    CHECK(error_of_zip(bytes) ==
          "damaged zip: bytes 18446744073709551606 to 18446744073709551606 + 31 are needed, the "
          "archive ends at " +
              std::to_string(bytes.size()));
}

TEST_CASE("a count of entries that the directory cannot hold is refused before anything is read") {
    std::string zip = two_entries().build();
    zip.replace(zip.size() - 12, 2, "\xff\xff");
    CHECK(error_of_zip(zip) == "damaged zip: a directory of 98 bytes cannot hold 65535 entries");
}

TEST_CASE("a zip cut short is told from what is no zip") {
    const std::string zip = two_entries().build();
    CHECK(error_of_zip(zip.substr(0, 60)) ==
          "truncated: a zip of 60 bytes without its directory, which PyTorch writes last: copy or save the file again");
}

TEST_CASE("what is no zip is described by its first bytes") {
    const std::string not_a_zip = "not a zip file, as torch.save writes: ";
    CHECK(error_of_zip("") == not_a_zip + "it is empty");
    CHECK(error_of_zip(std::string(100, '\0')) ==
          not_a_zip + "it begins with zero bytes, as an unfinished download or copy does: fetch it again");
    CHECK(error_of_zip("version https://git-lfs.github.com/spec/v1\noid sha256:1") ==
          not_a_zip + "it is a git-lfs pointer, not the file itself: run 'git lfs pull'");
    CHECK(error_of_zip("\x80\x02\x8a\nl\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.") ==
          not_a_zip + "it is in the format of torch.save before PyTorch 1.6: load and save it with a newer PyTorch");
    CHECK(error_of_zip("\x80\x02}q.") == not_a_zip + "it begins as a bare pickle");
    CHECK(error_of_zip("<!DOCTYPE html>") == not_a_zip + "it begins as a web page: fetch it again");
    CHECK(error_of_zip("GGUF\3") == not_a_zip + "it begins with the bytes 47 47 55 46 03");
}
