// The plugin through the real loader.

#include "support/bundled_plugins.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/gguf_builder.hpp"
#include "support/temp_dir.hpp"
#include "verify/verify.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

CheckpointIndex index_of(const std::string& path) {
    Request request;
    request.input = path;
    return bundled_plugins().reader("gguf")->index(request);
}

/// File `number` of two, with one tensor.
GgufBuilder part(std::uint16_t number, std::int32_t tensors = 2) {
    GgufBuilder builder;
    builder.key("split.no", 2, le(number)).key("split.count", 2, le<std::uint16_t>(2));
    builder.key("split.tensors.count", 5, le(tensors));
    builder.tensor(number == 0 ? "a" : "b", {2}, 1, "1234");
    return builder;
}

}  // namespace

TEST_CASE("gguf: tensors are whole, and quantised ones are rows of blocks") {
    const TempDir dir;
    GgufBuilder builder;
    builder.key_text("general.architecture", "llama");
    builder.tensor("w", {3, 2}, 30, std::string(12, 'w')).tensor("q", {64, 3}, 8, std::string(204, 'q'));
    builder.tensor("n", {1}, 27, std::string(8, 'n'));
    write_file(dir / "m.gguf", builder.bytes());
    const CheckpointIndex index = index_of(dir / "m.gguf");
    CHECK_NOTHROW(verify_index(index));
    CHECK(index.format == "GGUF version 3");
    REQUIRE(index.tensors.size() == 3);
    CHECK(index.tensors[0].dtype == DType::bf16);
    CHECK(index.tensors[0].shape == Dims{2, 3});
    CHECK_FALSE(index.tensors[0].encoding);
    CHECK(index.tensors[1].dtype == DType::u8);
    CHECK(index.tensors[1].shape == Dims{3, 68});
    CHECK(index.tensors[1].encoding == Encoding{"q8_0", 32, 34});
    CHECK(index.tensors[2].dtype == DType::i64);
    CHECK(index.metadata["keys"] ==
          nlohmann::json::parse(R"([{"key": "general.architecture", "type": "string", "value": "llama"}])"));
    CHECK(error_of([&] { verify_plain(index); }) ==
          "q: is stored as q8_0; quantised tensors are not converted: take the model before it was quantised");
}

TEST_CASE("gguf: a file is known by its first bytes, not by its name") {
    const TempDir dir;
    write_file(dir / "model", part(0).bytes());
    write_file(dir / "other.gguf", "GGM");
    Request request;
    request.input = dir / "model";
    CHECK(bundled_plugins().reader("gguf")->probe(request) > 0);
    request.input = dir / "other.gguf";
    CHECK(bundled_plugins().reader("gguf")->probe(request) == 0);
    request.input = dir / "nowhere";
    CHECK(bundled_plugins().reader("gguf")->probe(request) == 0);
}

TEST_CASE("gguf: the files of a split model are found from any of them") {
    const TempDir dir;
    const std::string first = dir / "m-00001-of-00002.gguf", second = dir / "m-00002-of-00002.gguf";
    write_file(first, part(0).bytes());
    write_file(second, part(1).bytes());
    for (const std::string& path : {first, second}) {
        const CheckpointIndex index = index_of(path);
        REQUIRE(index.tensors.size() == 2);
        CHECK(index.tensors[0].name == "a");
        CHECK(index.tensors[1].shards[0].file == 1);
        CHECK(index.files[1].path == second);
    }
}

TEST_CASE("gguf: a directory is read when one model is in it") {
    const TempDir dir;
    CHECK(error_of([&] { index_of(dir.path()); }) == dir.path() + ": there is no file '*.gguf' in it");
    write_file(dir / "m-00001-of-00002.gguf", part(0).bytes());
    write_file(dir / "m-00002-of-00002.gguf", part(1).bytes());
    CHECK(index_of(dir.path()).files.size() == 2);
    write_file(dir / "other.gguf", GgufBuilder().bytes());
    CHECK(error_of([&] { index_of(dir.path()); }) == dir.path() + ": holds 3 GGUF files, 2 of them the model of '" +
                                                         (dir / "m-00001-of-00002.gguf") +
                                                         "': name the file that is meant");
}

TEST_CASE("gguf: split files that do not belong together are refused") {
    const TempDir dir;
    const std::string first = dir / "m-00001-of-00002.gguf", second = dir / "m-00002-of-00002.gguf";
    write_file(first, part(0).bytes());
    CHECK(error_of([&] { index_of(first); }) == second + ": is missing, a part of the model in " + first);
    write_file(second, part(0).bytes());
    CHECK(error_of([&] { index_of(first); }) == second + ": is file 0, from 0 on, of 2, its name says 1 of 2");
    GgufBuilder twice = part(1);
    write_file(second, twice.tensor("a", {2}, 1, "1234").bytes());
    CHECK(error_of([&] { index_of(first); }) == second + ": tensor 'a' is in another file of the model too");
    write_file(first, part(0, 3).bytes());
    write_file(second, part(1).bytes());
    CHECK(error_of([&] { index_of(first); }) == first + ": says that the model has 3 tensors, its files hold 2");
    write_file(dir / "renamed.gguf", part(0).bytes());
    CHECK(error_of([&] { index_of(dir / "renamed.gguf"); }) ==
          (dir / "renamed.gguf") +
              ": is one of 2 files of a model, its name must end in '-00001-of-00002.gguf': give "
              "it and the others their names back");
}

TEST_CASE("gguf: bytes behind the last tensor are a warning") {
    const TempDir dir;
    GgufBuilder builder;
    write_file(dir / "m.gguf", builder.tensor("a", {2}, 1, "1234").bytes() + "xyz");
    CHECK(index_of(dir / "m.gguf").warnings ==
          std::vector<std::string>{(dir / "m.gguf") + ": 3 bytes behind the last tensor are left out"});
}
