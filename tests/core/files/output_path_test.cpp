#include "files/output_path.hpp"

#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

#include <filesystem>

using namespace unshard;
using namespace unshard::test;
namespace fs = std::filesystem;

namespace {

/// What a safetensors and a GGUF conversion lay out.
Layout directory_layout() {
    Layout layout;
    layout.files = {{"model.safetensors", 1}, {"config.json", 1}};
    layout.assets = {{"/elsewhere/tokenizer.json", "tokenizer.json"}};
    return layout;
}
Layout file_layout() {
    Layout layout;
    layout.files = {{"", 1}};
    return layout;
}

/// The error without the directory that it is about.
template <class Call>
std::string refusal(const TempDir& directory, Call call) {
    std::string text = error_of(call);
    for (std::size_t at = text.find(directory.path()); at != std::string::npos; at = text.find(directory.path())) {
        text.replace(at, directory.path().size(), "DIR");
    }
    return text;
}

}  // namespace

TEST_CASE("an output is named by its absolute path, through links") {
    const TempDir directory;
    fs::create_directories(directory / "real");
    fs::create_directory_symlink(directory / "real", directory / "link");
    CHECK(final_path(directory / "real/") == directory / "real");
    CHECK(final_path(directory / "link") == directory / "real");
    CHECK(final_path(directory / "link/new") == directory / "real/new");
    CHECK(final_path(directory / "real/../other") == directory / "other");
    fs::create_symlink(directory / "nothing", directory / "dangling");
    CHECK(refusal(directory, [&] { final_path(directory / "dangling"); }) ==
          "DIR/dangling: is a link to nothing: remove it or make what it points to");
    CHECK(error_of([] { final_path("/"); }) == "/: cannot be an output");
    CHECK(error_of([] { final_path(""); }) == "output: its path is empty");
}

TEST_CASE("an output neither lies in the input nor around it, nor over what exists") {
    const TempDir directory;
    fs::create_directories(directory / "ckpt");
    write_file(directory / "file", "x");
    const auto refused = [&](const std::string& output, const std::string& input, bool force = false) {
        return refusal(directory, [&] { check_output_path(directory / output, directory / input, force); });
    };
    CHECK(refused("out", "ckpt").empty());
    CHECK(refused("ckpt-2", "ckpt").empty());
    CHECK(refused("ckpt/out", "ckpt") ==
          "DIR/ckpt/out: the output lies in the input 'DIR/ckpt': name a path outside it");
    CHECK(refused("ckpt", "ckpt") == "DIR/ckpt: the output lies in the input 'DIR/ckpt': name a path outside it");
    CHECK(refused("ckpt", "ckpt/actor") ==
          "DIR/ckpt: the input 'DIR/ckpt/actor' lies in the output: name another path");
    CHECK(refused("file", "ckpt") == "DIR/file: exists: pass --force to replace it");
    CHECK(refused("file", "ckpt", true).empty());
    CHECK(refused("file/out", "ckpt") == "DIR/file/out: 'DIR/file' is not a directory");
}

TEST_CASE("what is there is replaced only by force, and only by its like") {
    const TempDir directory;
    const auto refused = [&](const Layout& layout, bool force = true) {
        return refusal(directory, [&] { check_replaceable(directory / "out", layout, force); });
    };
    CHECK(refused(directory_layout()).empty());
    CHECK(refused(directory_layout(), false).empty());
    write_file(directory / "out", "text");
    CHECK(refused(directory_layout(), false) == "DIR/out: exists: pass --force to replace it");
    CHECK(refused(directory_layout()) == "DIR/out: is a file, the output is a directory: it is not replaced");
    CHECK(refused(file_layout()) ==
          "DIR/out: is a file that no conversion has written, it is not replaced: remove it yourself or name another "
          "output");
    write_file(directory / "out", "");
    CHECK(refused(file_layout()).empty());
    fs::remove(directory / "out");
    fs::create_directories(directory / "out");
    CHECK(refused(file_layout()) == "DIR/out: is a directory, the output is a file: it is not replaced");
    CHECK(refused(directory_layout()).empty());
}

TEST_CASE("a directory is replaced when a conversion like this one has written all that is in it") {
    const TempDir directory;
    fs::create_directories(directory / "out");
    for (const char* name :
         {"config.json", "tokenizer.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json"}) {
        write_file(directory / ("out/" + std::string(name)), "x");
    }
    const auto refused = [&] {
        return refusal(directory, [&] { check_replaceable(directory / "out", directory_layout(), true); });
    };
    CHECK(refused().empty());
    fs::create_directories(directory / "out/empty");
    CHECK(refused().empty());
    write_file(directory / "out/empty/notes.txt", "x");
    CHECK(refused() ==
          "DIR/out: has 1 file that this conversion does not write, 'empty/notes.txt': it is not replaced: take it "
          "away, or "
          "name another output");
    write_file(directory / "out/model-1-of-2.safetensors", "x");
    CHECK(refused() ==
          "DIR/out: has 2 files that this conversion does not write, 'empty/notes.txt', 'model-1-of-2.safetensors': it "
          "is not "
          "replaced: take them away, or name another output");
}

TEST_CASE("the directory that one stands in is not replaced") {
    const TempDir directory;
    fs::create_directories(directory / "out/inner");
    const fs::path before = fs::current_path();
    fs::current_path(directory / "out/inner");
    const std::string text = error_of([&] { check_replaceable(directory / "out", directory_layout(), true); });
    fs::current_path(before);
    CHECK(text.find("the current directory is in it") != std::string::npos);
}
