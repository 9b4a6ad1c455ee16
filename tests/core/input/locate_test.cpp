#include "input/locate.hpp"
#include "core/input/marker_readers.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"

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

TEST_CASE("the one checkpoint up to three levels below is found") {
    const TempDir directory;
    mark(directory / "step_10/actor", "alpha");
    fs::create_directories(directory / "logs");
    CHECK(locate(directory.path()).path == directory / "step_10/actor");
    CHECK(locate(directory.path(), "alpha").path == directory / "step_10/actor");
    const TempDir deeper;
    mark(deeper / "step_10/policy/weights", "alpha");
    CHECK(locate(deeper.path()).path == deeper / "step_10/policy/weights");
}

TEST_CASE("a checkpoint four levels below is not looked for") {
    const TempDir directory;
    mark(directory / "a/b/c/d", "alpha");
    CHECK(error_at(directory.path()) ==
          directory.path() +
              ": no checkpoint here or up to three levels below. Looked for: alpha (directories "
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
          (directory / "file.pt") +
              ": is a file that no reader knows: 'file.pt' is of the kind that torch.save writes: name the file that "
              "the model is in");
    write_file(directory / "notes", "x");
    CHECK(error_at(directory / "notes") ==
          (directory / "notes") + ": is a file that no reader knows: name the checkpoint's directory");
}

TEST_CASE("an address is no path") {
    for (const std::string address : {"hf://org/model", "s3://bucket/step_1"}) {
        CHECK(error_at(address).starts_with(address + ": is the address of something elsewhere ("));
    }
}

TEST_CASE("formats that are not read are named") {
    const auto [file, word] = GENERATE(
        values<std::pair<std::string, std::string>>({{"step_1/mp_rank_00_model_states.pt", "DeepSpeed"},
                                                     {"step_1/zero_to_fp32.py", "DeepSpeed"},
                                                     {"step_1/latest_checkpointed_iteration.txt", "Megatron-LM"},
                                                     {"step_1/adapter_config.json", "LoRA"},
                                                     {"step_1/ep0-ba10-rank0.pt", "model_world_size_W_rank_R.pt"},
                                                     {"step_1/model.rank_3.pth", "flat parameters"},
                                                     {"step_1/pytorch_model.bin", "torch.save"}}));
    const TempDir directory;
    fs::create_directories(directory / "step_1");
    write_file(directory / file, "x");
    CHECK(error_at(directory / "step_1").find(word) != std::string::npos);
}

TEST_CASE("the checkpoint of an optimizer or a scheduler beside the model's is passed over by name") {
    const auto name =
        GENERATE(values<std::string>({"optim", "optimizer_0", "optimizer/inner", "lr_scheduler", "rng_state"}));
    const TempDir directory;
    mark(directory / "step_1/model", "alpha");
    mark(directory / ("step_1/" + name), "beta");
    const LocatedInput found = locate(directory.path());
    CHECK(found.path == directory / "step_1/model");
    CHECK(found.passed_over == std::vector<Dropped>{{"step_1/" + name, "beside the model, by its name"}});
}

TEST_CASE("a model is not taken for an optimizer because of the first letters of its name") {
    const TempDir directory;
    mark(directory / "optimus-7b", "alpha");
    mark(directory / "actor", "alpha");
    CHECK(error_at(directory.path()).find("holds 2 checkpoints") != std::string::npos);
    const TempDir only;
    mark(only / "optimizer", "alpha");
    CHECK(locate(only.path()).path == only / "optimizer");
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
    write_file(directory / "huggingface/config.json", R"({"model_type": "llama"})");
    CHECK(locate_assets("auto", checkpoint) == directory / "huggingface");
    CHECK(locate_assets("auto", checkpoint + "/") == directory / "huggingface");
    write_file(directory / "actor/huggingface/config.json", R"({"architectures": ["X"]})");
    CHECK(locate_assets("auto", checkpoint) == directory / "actor/huggingface");
    write_file(directory / "actor/config.json", "{}");
    CHECK(locate_assets("auto", checkpoint) == checkpoint);
}

TEST_CASE("config.json is found above the checkpoint too, when it is a model's") {
    const TempDir directory;
    const std::string checkpoint = directory / "run/step_10/policy/weights";
    fs::create_directories(checkpoint);
    write_file(checkpoint + "/part.bin", "");
    write_file(directory / "run/config.json", R"({"model_type": "llama"})");
    write_file(directory / "run/step_10/policy/config.json", R"({"lr": 0.1})");
    CHECK(locate_assets("auto", checkpoint).empty());
    CHECK(locate_assets("auto", checkpoint, directory / "run/step_10").empty());
    CHECK(locate_assets("auto", checkpoint, directory / "run") == directory / "run");
    fs::create_directories(directory / "run/step_10/.hf_metadata");
    write_file(directory / "run/step_10/.hf_metadata/config.json", R"({"model_type": "llama"})");
    CHECK(locate_assets("auto", checkpoint, directory / "run") == directory / "run/step_10/.hf_metadata");
    write_file(checkpoint + "/config.json", "{}");
    CHECK(locate_assets("auto", checkpoint + "/part.bin", checkpoint + "/part.bin") == checkpoint);
    fs::remove(checkpoint + "/config.json");
    fs::remove_all(directory / "run/step_10/.hf_metadata");
    CHECK(locate_assets("auto", checkpoint + "/part.bin", checkpoint + "/part.bin").empty());
}

TEST_CASE("named assets must be a directory, and none means none") {
    const TempDir directory;
    write_file(directory / "config.json", "{}");
    CHECK(locate_assets("none", directory.path()).empty());
    CHECK(locate_assets(directory.path(), "/elsewhere") == directory.path());
    CHECK(error_of([&] { locate_assets(directory / "config.json", "/elsewhere"); }) ==
          (directory / "config.json") + ": is no directory: --assets names one with config.json");
}

TEST_CASE("a reader that cannot be used is not passed over, unless another is named") {
    const TempDir plugins, dir;
    write_file(plugins / "unshard-reader-broken.so", "x");
    mark(dir / "ckpt", "alpha");
    Pipeline::Input input;
    input.path = dir / "ckpt";
    const Plugins all({plugins.path(), UNSHARD_MARKER_READERS});
    const std::string error = error_of([&] { locate_input(input, all, 1); });
    CHECK(error.starts_with(plugins / "unshard-reader-broken.so: "));
    CHECK(error.ends_with("; it may be the reader for this checkpoint: mend or remove it, or pass --reader NAME"));
    input.reader = "alpha";
    CHECK(locate_input(input, all, 1).reader_name == "alpha");
}
