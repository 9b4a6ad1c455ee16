// A Hugging Face directory, or one file, as input.

#include "safetensors_directory.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

struct HuggingFace : SafetensorsDirectory {
    HuggingFace() : SafetensorsDirectory("safetensors") {}
};

const std::string kFirst = "model-00001-of-00002.safetensors";
const std::string kSecond = "model-00002-of-00002.safetensors";

/// Two files with an index.
void two_files(SafetensorsDirectory& directory) {
    directory.file(kFirst, whole_file({{"a", {2}}, {"b", {3, 1}}})).file(kSecond, whole_file({{"c", {}}}));
    directory.index_file({{"a", kFirst}, {"b", kFirst}, {"c", kSecond}});
}

std::vector<std::string> names_of(const CheckpointIndex& index) {
    std::vector<std::string> names;
    for (const SourceTensor& tensor : index.tensors) names.push_back(tensor.name);
    return names;
}

}  // namespace

TEST_CASE("safetensors: a model in one file is whole tensors where they lie") {
    HuggingFace directory;
    const std::string bytes = whole_file({{"w", {2, 3}}});
    directory.file("model.safetensors", bytes);
    const ShardSpec spec{.shape = {2, 3}, .stride = {3, 1}, .origin = Dims{0, 0}};
    const Shard shard{.offset = bytes.size() - 6, .bytes = 6, .spec = spec, .crc32 = {}};
    CheckpointIndex expected;
    expected.format = "safetensors, 1 file";
    expected.ranks = 1;
    expected.files = {source_file(InputFile(directory / "model.safetensors"))};
    expected.tensors = {{"w", DType::u8, Dims{2, 3}, {shard}}};
    CHECK(directory.index() == expected);
    CHECK(directory.index("model.safetensors") == expected);
}

TEST_CASE("safetensors: the files of an index are read, others are listed") {
    HuggingFace directory;
    two_files(directory);
    directory.file("consolidated.safetensors", whole_file({{"other", {1}}}));
    const CheckpointIndex index = directory.index();
    CHECK(names_of(index) == std::vector<std::string>{"a", "b", "c"});
    CHECK(index.tensors[2].shards[0].file == 1);
    CHECK(index.dropped == std::vector<Dropped>{{"consolidated.safetensors", "not in 'model.safetensors.index.json'"}});
}

TEST_CASE("safetensors: without an index model.safetensors comes first, then the only file") {
    HuggingFace usual, named;
    usual.file("model.safetensors", whole_file({{"w", {1}}})).file("adapter.safetensors", whole_file({{"x", {1}}}));
    CHECK(names_of(usual.index()) == std::vector<std::string>{"w"});
    CHECK(usual.index().dropped == std::vector<Dropped>{{"adapter.safetensors", "not part of 'model.safetensors'"}});
    named.file("weights.safetensors", whole_file({{"v", {1}}}));
    CHECK(names_of(named.index()) == std::vector<std::string>{"v"});
}

TEST_CASE("safetensors: files that need an index and have none are refused") {
    HuggingFace one, several, none;
    CHECK(none.error() == "DIR: no safetensors files in it");
    one.file(kFirst, whole_file({{"a", {1}}}));
    CHECK(one.error() == "DIR: 1 of the 2 files of the model are here, without number 2: copy the others too");
    several.file("a.safetensors", whole_file({})).file("b.safetensors", whole_file({}));
    CHECK(several.error() ==
          "DIR: 'a.safetensors', 'b.safetensors' and no 'model.safetensors.index.json', which says "
          "what belongs together: copy it too, or name the file that is the whole model");
}

TEST_CASE("safetensors: a complete set of parts needs no index") {
    HuggingFace directory, gap;
    two_files(directory);
    std::filesystem::remove(directory / "model.safetensors.index.json");
    CHECK(names_of(directory.index()) == std::vector<std::string>{"a", "b", "c"});
    CHECK(directory.probe() == 70);
    gap.file("m-1-of-3.safetensors", whole_file({{"a", {1}}})).file("m-3-of-3.safetensors", whole_file({{"c", {1}}}));
    CHECK(gap.error() == "DIR: 2 of the 3 files of the model are here, without number 2: copy the others too");
}

TEST_CASE("safetensors: one part of several is not taken for a model, unless it is wanted") {
    HuggingFace directory;
    two_files(directory);
    CHECK(directory.error(kFirst) == "DIR/" + kFirst +
                                         ": is part 1 of a model in 2 files: name its directory, or pass --set "
                                         "input.options.part=true to read this part alone");
    CHECK(names_of(directory.index(kFirst, {{"part", true}})) == std::vector<std::string>{"a", "b"});
}

TEST_CASE("safetensors: a file of any name is less sure than a model's") {
    HuggingFace directory;
    directory.file("truth.safetensors", whole_file({{"w", {1}}}));
    CHECK(directory.probe() == 30);
    CHECK(directory.probe("truth.safetensors") == 70);
}

TEST_CASE("safetensors: a file that the index names is missing") {
    HuggingFace directory;
    two_files(directory);
    std::filesystem::remove(directory / kSecond);
    CHECK(directory.error() == "DIR/model.safetensors.index.json: names files that are missing: '" + kSecond + "'");
}

TEST_CASE("safetensors: a part that the index does not name is refused") {
    HuggingFace directory;
    two_files(directory);
    directory.file("model-00003-of-00003.safetensors", whole_file({{"z", {1}}}));
    CHECK(directory.error() ==
          "DIR/model.safetensors.index.json: does not name 'model-00003-of-00003.safetensors', which is a part of the "
          "same model by its name: take away what is of another save");
}

TEST_CASE("safetensors: an older form of the model in the directory is named") {
    HuggingFace directory;
    directory.file("model.safetensors", whole_file({{"w", {1}}})).file("pytorch_model.bin", "");
    CHECK(directory.index().dropped ==
          std::vector<Dropped>{{"pytorch_model*.bin", "a model in the older form, which reader torch_file reads"}});
}

TEST_CASE("safetensors: index and files must name the same tensors") {
    HuggingFace missing, extra, moved, twice;
    for (HuggingFace* directory : {&missing, &extra, &moved, &twice}) two_files(*directory);
    missing.file(kFirst, whole_file({{"a", {2}}}));
    CHECK(missing.error() == "DIR/" + kFirst + ": does not hold 'b', which the index says it does");
    extra.file(kSecond, whole_file({{"c", {}}, {"d", {1}}}));
    CHECK(extra.error() == "DIR/" + kSecond + ": holds 'd', which the index does not name");
    twice.file(kSecond, whole_file({{"a", {2}}, {"c", {}}}));
    CHECK(twice.error() == "DIR/" + kSecond + ": holds 'a', which the index says is in 'DIR/" + kFirst + "'");
    moved.index_file({{"a", kSecond}, {"b", kFirst}, {"c", kSecond}});
    CHECK(moved.error() == "DIR/" + kFirst + ": holds 'a', which the index says is in 'DIR/" + kSecond + "'");
}

TEST_CASE("safetensors: an index that names no file beside it is refused") {
    HuggingFace directory;
    two_files(directory);
    directory.index_file({{"a", "../model.safetensors"}});
    CHECK(directory.error() ==
          "DIR/model.safetensors.index.json: 'a' is in \"../model.safetensors\", which is no "
          "safetensors file beside it");
    directory.file("model.safetensors.index.json", "[]");
    CHECK(directory.error() == "DIR/model.safetensors.index.json: has no 'weight_map'");
}

TEST_CASE("safetensors: a model in one file beside an index of others is not chosen for the user") {
    HuggingFace directory;
    two_files(directory);
    directory.file("model.safetensors", whole_file({{"w", {1}}}));
    CHECK(directory.error() ==
          "DIR: both 'model.safetensors' and 'model.safetensors.index.json' of other files: take "
          "one of them away");
}

TEST_CASE("safetensors: one shard of a distributed checkpoint is no model") {
    HuggingFace directory;
    directory.file("s.safetensors", shard_file({{"w", {2}, {2}}}));
    CHECK(directory.error() ==
          "DIR/s.safetensors: holds pieces of tensors, one shard of a distributed checkpoint: name "
          "its directory, with --reader dcp_hf");
}

TEST_CASE("safetensors: a damaged or empty file is refused") {
    HuggingFace directory;
    directory.file("model.safetensors", whole_file({{"w", {2}}}) + "x");
    CHECK(directory.error().find("the file is truncated or damaged") != std::string::npos);
    directory.file("model.safetensors", whole_file({}));
    CHECK(directory.error() == "DIR: there is no tensor in it");
}

TEST_CASE("safetensors: files and directories are recognized by names, hidden ones are not") {
    HuggingFace directory;
    CHECK(directory.probe() == 0);
    directory.file(".model.safetensors", "").file("model.bin", "");
    CHECK(directory.probe() == 0);
    CHECK(directory.probe("model.bin") == 0);
    CHECK(directory.probe("absent") == 0);
    two_files(directory);
    CHECK(directory.probe() == 70);
    CHECK(directory.probe(kFirst) == 70);
}
