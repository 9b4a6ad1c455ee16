#include "unshard/tools/model_directory.hpp"

#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"
#include "unshard/tools/input_file.hpp"

#include <sys/stat.h>

using namespace unshard;
using namespace unshard::test;
namespace fs = std::filesystem;

TEST_CASE("a file that is not there is not there, everything else is an error") {
    const TempDir dir;
    write_file(dir / "file", "");
    ::mkfifo((dir / "pipe").c_str(), 0600);
    fs::create_symlink(dir / "nothing", dir / "dangling");
    fs::create_symlink("loop", dir / "loop");
    CHECK(has_file(dir / "file"));
    CHECK_FALSE(has_file(dir / "none"));
    CHECK_FALSE(has_file(dir / "file/below"));
    CHECK(error_of([&] { has_file(dir / "pipe"); }) == dir / "pipe" + ": not a regular file");
    CHECK(error_of([&] { has_file(dir.path()); }) == dir.path() + ": not a regular file");
    CHECK(error_of([&] { has_file(dir / "dangling"); }) == dir / "dangling" + ": is a link to nothing");
    CHECK(error_of([&] { has_file(dir / "loop"); }) == dir / "loop" + ": Too many levels of symbolic links");
}

TEST_CASE("a pipe or a device in place of a file is told at once") {
    const TempDir dir;
    ::mkfifo((dir / "pipe").c_str(), 0600);
    CHECK(error_of([&] { InputFile(dir / "pipe"); }) == dir / "pipe" + ": not a regular file");
    CHECK(error_of([] { InputFile("/dev/zero"); }) == "/dev/zero: not a regular file");
}

TEST_CASE("links within a model's directory are followed, those that leave it are not") {
    const TempDir dir;
    fs::create_directories(dir / "ckpt/huggingface/sub");
    write_file(dir / "secret", "x");
    write_file(dir / "ckpt/config.json", "{}");
    write_file(dir / "ckpt/huggingface/sub/real", "x");
    fs::create_symlink("sub/real", dir / "ckpt/huggingface/inside");
    fs::create_symlink("../config.json", dir / "ckpt/huggingface/config.json");
    fs::create_symlink("../../secret", dir / "ckpt/huggingface/vocab.txt");
    fs::create_directory_symlink(dir.path(), dir / "ckpt/huggingface/elsewhere");
    const fs::path directory = dir / "ckpt/huggingface";
    CHECK(has_model_file(directory, "inside"));
    CHECK(has_model_file(directory, "config.json"));
    CHECK(error_of([&] { has_model_file(directory, "vocab.txt"); }) ==
          directory.string() + "/vocab.txt: is a link to '" + (dir / "secret") +
              "', outside the model's directory: put a copy in its place, if it is meant");
    CHECK(error_of([&] { has_model_file(directory, "elsewhere/secret"); }).find("is a link to") != std::string::npos);
}

TEST_CASE("the links of Hugging Face's cache are followed, and no others") {
    const TempDir dir;
    const std::string hash(64, 'a'), revision(40, 'b');
    fs::create_directories(dir / "snapshots/" + revision);
    fs::create_directories(dir / "blobs");
    write_file(dir / "blobs/" + hash, "{}");
    write_file(dir / "blobs/secret", "{}");
    const std::string directory = dir / "snapshots/" + revision;
    fs::create_symlink("../../blobs/" + hash, directory + "/config.json");
    fs::create_symlink("../../blobs/secret", directory + "/vocab.txt");
    CHECK(has_model_file(directory, "config.json"));
    CHECK_THROWS_AS(has_model_file(directory, "vocab.txt"), Error);
    fs::rename(dir / "snapshots", dir / "others");
    CHECK_THROWS_AS(has_model_file(dir / "others/" + revision, "config.json"), Error);
}
