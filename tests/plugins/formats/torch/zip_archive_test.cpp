#include "formats/torch/zip_archive.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"
#include "support/zip_builder.hpp"

#include <filesystem>
#include <fstream>

using namespace unshard;
using namespace unshard::test;
using torch::ByteRange;
using torch::NamedEntry;
using torch::ZipEntries;

namespace {

ZipEntries read_zip_of(const std::string& bytes, ByteRange range) {
    const TempDir directory;
    write_file(directory / "z", bytes);
    return torch::read_zip(InputFile(directory / "z"), range);
}

std::vector<NamedEntry> read(const std::string& bytes, ByteRange range) {
    const ZipEntries entries = read_zip_of(bytes, range);
    return {entries.begin(), entries.end()};
}

std::vector<NamedEntry> read(const std::string& bytes) {
    return read(bytes, {0, bytes.size()});
}

std::string error_of_zip(const std::string& bytes) {
    return error_of([&] { read(bytes); });
}

ZipBuilder two_entries() {
    ZipBuilder zip;
    zip.add({.name = "a/x", .bytes = "12345"})
        .add({.name = "a/y", .bytes = "678", .local_extra = "FB" + le(9, 2) + std::string(9, 'Z')});
    return zip;
}

const std::vector<NamedEntry> kTwoEntries = {{"a/x", {33, 5}}, {"a/y", {38 + 33 + 13, 3, std::nullopt, true}}};

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
    const std::vector<NamedEntry> expected = {{"a/x", {40, 5}}, {"a/y", {45 + 33 + 13, 3, std::nullopt, true}}};
    CHECK(read("leading" + zip + "trailing", {7, zip.size()}) == expected);
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
    CHECK(error_of_zip(zip) == "damaged zip: entry 'a' is there twice: copy or save the file again");
    const std::string cases =
        ZipBuilder().add({.name = "a/Byte", .bytes = "x"}).add({.name = "a/bYTE", .bytes = "y"}).build();
    CHECK(error_of_zip(cases) ==
          "damaged zip: entry 'a/bYTE' is there twice, as 'a/Byte': copy or save the file again");
}

TEST_CASE("names are found without regard to case, as PyTorch finds them") {
    const std::string zip = ZipBuilder().add({.name = "a/BYTEORDER", .bytes = "big"}).build();
    const ZipEntries entries = read_zip_of(zip, {0, zip.size()});
    CHECK(entries.find("a/byteorder") != nullptr);
    CHECK(entries.find("a/byteorders") == nullptr);
}

TEST_CASE("an entry has the CRC-32 that was computed, and none where it was not") {
    const std::vector<NamedEntry> entries =
        read(ZipBuilder()
                 .add({.name = "a", .bytes = "x", .crc32 = 7, .has_descriptor = true})
                 .add({.name = "b", .bytes = "y", .has_descriptor = true})
                 .build());
    CHECK(entries.at(0).entry.crc32 == 7);
    CHECK(entries.at(1).entry.crc32 == std::nullopt);
}

TEST_CASE("an entry whose bytes end outside the archive is refused") {
    ZipBuilder zip;
    zip.zip64 = GENERATE(false, true);
    zip.add({.name = "a", .bytes = "x", .more_size = 1000, .has_descriptor = true});
    const std::string bytes = zip.build();
    CHECK(error_of_zip(bytes) ==
          "truncated: entry 'a' needs 1001 bytes at 31, the archive ends at " + std::to_string(bytes.size()));
}

TEST_CASE("entries that overlap each other or the directory are refused") {
    const ZipPart longer{.name = "a", .bytes = "x", .more_size = 25, .has_descriptor = true};
    const std::string entries = ZipBuilder().add(longer).add({.name = "b", .bytes = "y"}).build();
    CHECK(error_of_zip(entries) == "damaged zip: entries 'a' and 'b' overlap: copy or save the file again");
    CHECK(error_of_zip(ZipBuilder().add(longer).build()) ==
          "damaged zip: entries 'a' and 'the directory' overlap: copy or save the file again");
}

TEST_CASE("what lies between two entries is refused") {
    const std::string strange = ZipBuilder().add({.name = "a", .bytes = "x", .behind = "??"}).build();
    CHECK(error_of_zip(strange) ==
          "damaged zip: 2 bytes lie between 'a' and 'the directory': copy or save the file again");
    // A shorter extra field than is there moves the data to the front, and leaves its end over.
    std::string moved = two_entries().build();
    moved.replace(moved.find("FB\x9"), 4, "FB\x7" + std::string(1, '\0'));
    moved.replace(moved.find("PK\3\4", 30) + 28, 1, "\xb");
    CHECK(error_of_zip(moved) ==
          "damaged zip: 2 bytes lie between 'a/y' and 'the directory': copy or save the file again");
}

TEST_CASE("an extra field that ends outside the extra is refused") {
    std::string zip = two_entries().build();
    zip.replace(zip.find("FB\x9"), 4, "FB\x8" + std::string(1, '\0'));
    CHECK(error_of_zip(zip) ==
          "damaged zip: an extra field of entry 'a/y' ends outside it: copy or save the file again");
}

TEST_CASE("headers that contradict each other are refused") {
    const std::string two =
        "damaged zip: the two headers of entry 'a' contradict each other: copy or save the file again";
    CHECK(error_of_zip(ZipBuilder().add({.name = "a", .bytes = "xy", .more_size = -1}).build()) == two);
    std::string crc = ZipBuilder().add({.name = "a", .bytes = "x", .crc32 = 7}).build();
    crc[14] = 8;
    CHECK(error_of_zip(crc) == two);
    std::string descriptor = ZipBuilder().add({.name = "a", .bytes = "x", .crc32 = 7, .has_descriptor = true}).build();
    descriptor[descriptor.find("PK\7\x8") + 4] = 8;
    CHECK(error_of_zip(descriptor) ==
          "damaged zip: what lies behind the data of entry 'a' contradicts the directory: copy or save the file again");
}

TEST_CASE("several disks, unknown flags and end records that disagree are refused") {
    CHECK(error_of_zip(ZipBuilder().add({.name = "a", .bytes = "x", .flags = 1 << 5}).build()) ==
          "entry 'a' has flags 32, needs version 20 and lies on disk 0: torch.save writes no such entry; the file is "
          "damaged, or save it again with torch.save");
    CHECK(error_of_zip(ZipBuilder().add({.name = "a", .bytes = "x", .disk = 1}).build())
              .starts_with("entry 'a' has flags 0, needs version 20 and lies on disk 1"));
    std::string disks = two_entries().build();
    disks[disks.size() - 18] = 1;
    CHECK(error_of_zip(disks) == "damaged zip: its end record tells of several disks: copy or save the file again");
    ZipBuilder zip = two_entries();
    zip.zip64 = true;
    std::string ends = zip.build();
    ends.replace(ends.size() - 14, 4, "\2" + std::string(3, '\0'));
    CHECK(error_of_zip(ends).starts_with("damaged zip: its end record tells of several disks"));
}

TEST_CASE("a directory that is a hole of gigabytes is read no further than its first entry") {
    constexpr std::uint64_t kHole = std::uint64_t{2} << 30;
    const std::string end = "PK\6\6" + le(44, 8) + le(45, 2) + le(45, 2) + le(0, 8) + le(kHole / 46, 8) +
                            le(kHole / 46, 8) + le(kHole, 8) + le(0, 8) + "PK\6\7" + le(0, 4) + le(kHole, 8) +
                            le(1, 4) + "PK\5\6" + le(0, 4) + le(0xffff, 2) + le(0xffff, 2) + le(0xffffffff, 4) +
                            le(0xffffffff, 4) + le(0, 2);
    const TempDir directory;
    write_file(directory / "z", end);
    std::filesystem::resize_file(directory / "z", 0);
    std::filesystem::resize_file(directory / "z", kHole);
    std::ofstream(directory / "z", std::ios::binary | std::ios::app) << end;
    CHECK(error_of([&] { torch::read_zip(InputFile(directory / "z"), {0, kHole + end.size()}); }) ==
          "damaged zip: its directory has fewer entries than it says: copy or save the file again");
}

TEST_CASE("an offset that leads to no local header is refused") {
    const std::string near = ZipBuilder().add({.name = "a", .bytes = "xyz", .more_offset = 1}).build();
    CHECK(error_of_zip(near) == "damaged zip: 1 bytes lie between its beginning and 'a': copy or save the file again");
    ZipBuilder far;
    far.zip64 = true;
    CHECK(error_of_zip(far.add({.name = "a", .bytes = "x", .more_offset = -10}).build()) ==
          "damaged zip: 18446744073709551606 bytes lie between its beginning and 'a': copy or save the file again");
    std::string other = ZipBuilder().add({.name = "a", .bytes = "x"}).build();
    other[30] = 'b';
    CHECK(error_of_zip(other) ==
          "damaged zip: the data of entry 'a' is not where the directory says: copy or save the file again");
}

TEST_CASE("a count of entries that the directory cannot hold is refused before anything is read") {
    std::string zip = two_entries().build();
    zip.replace(zip.size() - 14, 4, "\xfe\xff\xfe\xff");
    CHECK(error_of_zip(zip) ==
          "damaged zip: a directory of 98 bytes cannot hold 65534 entries: copy or save the file again");
}

TEST_CASE("a zip cut short is distinguished from what is no zip") {
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
