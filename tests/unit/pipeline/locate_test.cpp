#include "input/locate.hpp"
#include "support/catch.hpp"
#include "unit/engine/error_text.hpp"
#include "unit/pipeline/marker_readers.hpp"

#include <fstream>

using namespace unshard;
using namespace unshard::test;
namespace fs = std::filesystem;

namespace {

LocatedInput locate(const std::string& path, const std::string& reader = "auto") {
    Pipeline::Input input;
    input.path = path;
    input.reader = reader;
    return locate_input(input, marker_readers(), 3);
}

std::string error_at(const std::string& path, const std::string& reader = "auto") {
    return error_of([&] { locate(path, reader); });
}

}  // namespace

TEST_CASE("the surest reader takes the checkpoint") {
    const TempDir directory;
    mark(directory.path(), "both");
    mark(directory.path(), "beta");
    const LocatedInput found = locate(directory.path());
    CHECK(found.path == directory.path());
    CHECK(found.reader_name == "beta");
    CHECK(found.reader->index(found.request).format == "beta checkpoint");
}

TEST_CASE("readers that are equally sure are both named") {
    const TempDir directory;
    mark(directory.path(), "both");
    CHECK(error_at(directory.path()) ==
          directory.path() + ": readers 'alpha' and 'beta' are equally sure that it is theirs: pass --reader NAME");
    CHECK(locate(directory.path(), "alpha").reader_name == "alpha");
}

TEST_CASE("the one checkpoint up to two levels below is found") {
    const TempDir directory;
    mark(directory / "step_10/actor", "alpha");
    fs::create_directories(directory / "logs");
    CHECK(locate(directory.path()).path == directory / "step_10/actor");
    CHECK(locate(directory.path(), "alpha").path == directory / "step_10/actor");
}

TEST_CASE("a checkpoint three levels below is not looked for") {
    const TempDir directory;
    mark(directory / "a/b/c", "alpha");
    CHECK(error_at(directory.path()) == directory.path() +
                                            ": no checkpoint here or two levels below. Looked for: alpha (directories "
                                            "marked alpha); beta (directories marked beta)");
}

TEST_CASE("several checkpoints are all named, in order") {
    const TempDir directory;
    mark(directory / "step_2", "alpha");
    mark(directory / "step_1/critic", "beta");
    mark(directory / "step_1/actor", "alpha");
    CHECK(error_at(directory.path()) == directory.path() + ": holds 3 checkpoints: name one of '" +
                                            (directory / "step_2") + "', '" + (directory / "step_1/actor") + "', '" +
                                            (directory / "step_1/critic") + "'");
}

TEST_CASE("a checkpoint within a checkpoint is part of it") {
    const TempDir directory;
    mark(directory / "actor", "alpha");
    mark(directory / "actor/inner", "alpha");
    CHECK(locate(directory.path()).path == directory / "actor");
}

TEST_CASE("links count once and loops end") {
    const TempDir directory;
    mark(directory / "step_10", "alpha");
    fs::create_directory_symlink(directory / "step_10", directory / "zz_latest");
    fs::create_directory_symlink(directory.path(), directory / "loop");
    fs::create_directory_symlink("/nowhere", directory / "broken");
    CHECK(locate(directory.path()).path == directory / "step_10");
}

TEST_CASE("what is not there, or is a file, is said to be so") {
    const TempDir directory;
    CHECK(error_at(directory / "nope") == (directory / "nope") + ": there is no such file or directory");
    write_file(directory / "file.pt", "x");
    CHECK(error_at(directory / "file.pt") ==
          (directory / "file.pt") + ": is a file, no reader knows it: name the checkpoint's directory");
}

TEST_CASE("a reader that was named gets the path even when it does not recognize it") {
    const TempDir directory;
    CHECK(locate(directory.path(), "alpha").path == directory.path());
}

TEST_CASE("the reader gets the options, and the root only when one was chosen") {
    const TempDir directory;
    mark(directory.path(), "alpha");
    Pipeline::Input input;
    input.path = directory.path();
    input.options = {{"opaque", {"a.B"}}};
    CHECK(locate_input(input, marker_readers(), 3).request.options == input.options);
    input.root = "";
    const Request request = locate_input(input, marker_readers(), 3).request;
    CHECK(request.options == nlohmann::json{{"opaque", {"a.B"}}, {"root", ""}});
    CHECK(request.threads == 3);
}

TEST_CASE("config.json is looked for in, below and beside the checkpoint") {
    const TempDir directory;
    const std::string checkpoint = directory / "actor";
    fs::create_directories(directory / "actor/huggingface");
    fs::create_directories(directory / "huggingface");
    CHECK(locate_assets("auto", checkpoint).empty());
    write_file(directory / "huggingface/config.json", "{}");
    CHECK(locate_assets("auto", checkpoint) == directory / "huggingface");
    CHECK(locate_assets("auto", checkpoint + "/") == directory / "huggingface");
    write_file(directory / "actor/huggingface/config.json", "{}");
    CHECK(locate_assets("auto", checkpoint) == directory / "actor/huggingface");
    write_file(directory / "actor/config.json", "{}");
    CHECK(locate_assets("auto", checkpoint) == checkpoint);
}

TEST_CASE("named assets must be a directory, and none means none") {
    const TempDir directory;
    write_file(directory / "config.json", "{}");
    CHECK(locate_assets("none", directory.path()).empty());
    CHECK(locate_assets(directory.path(), "/elsewhere") == directory.path());
    CHECK(error_of([&] { locate_assets(directory / "config.json", "/elsewhere"); }) ==
          (directory / "config.json") + ": is no directory: --assets names one with config.json");
}
