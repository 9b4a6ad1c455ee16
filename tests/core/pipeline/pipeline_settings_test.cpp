#include "pipeline/pipeline.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

constexpr const char* kTwoOutputs =
    "version = 1\n[input]\npath = 'ckpt'\nreader = 'fsdp'\n[select]\ndrop = ['a']\n"
    "[[output]]\npath = 'hf'\n[[output]]\npath = 'm.gguf'\n";

Setting set(const std::string& key, const std::string& value) {
    return {key, value, "--set " + key + "=" + value, false, false};
}

Pipeline with(const std::vector<Setting>& settings) {
    const TempDir directory;
    write_file(directory / "p.toml", kTwoOutputs);
    return load_pipeline(directory / "p.toml", settings, false);
}

std::string error_with(const std::vector<Setting>& settings) {
    return error_of([&] { with(settings); });
}

}  // namespace

TEST_CASE("a setting replaces the file's value; what is not TOML is a string") {
    CHECK(with({set("input.reader", "dcp")}).input.reader == "dcp");
    CHECK(with({set("input.reader", "\"dcp\"")}).input.reader == "dcp");
    CHECK(with({set("engine.threads", "7")}).engine.threads == 7);
    CHECK(with({set("merge.verify_replicas", "true")}).merge.verify_replicas);
    CHECK(with({set("select.drop", "['x', 'y']")}).select.drop == std::vector<std::string>{"x", "y"});
}

TEST_CASE("a setting makes the tables it needs") {
    CHECK(with({set("input.options.a.b", "1")}).input.options == nlohmann::json{{"a", {{"b", 1}}}});
    CHECK(with({set("input.options.a", "1"), set("input.options.b", "2")}).input.options ==
          nlohmann::json{{"a", 1}, {"b", 2}});
    CHECK(with({set("input.options.0.1", "2")}).input.options == nlohmann::json{{"0", {{"1", 2}}}});
}

TEST_CASE("a setting of output goes to every output, a numbered one to one") {
    const Pipeline all = with({set("output.dtype", "f16")});
    CHECK(all.outputs[0].dtype == "f16");
    CHECK(all.outputs[1].dtype == "f16");
    const Pipeline one = with({set("output.1.dtype", "f16")});
    CHECK(one.outputs[0].dtype == "keep");
    CHECK(one.outputs[1].dtype == "f16");
}

TEST_CASE("later settings win") {
    CHECK(with({set("input.root", "a"), set("input.root", "b")}).input.root == "b");
}

TEST_CASE("paths of the command line stay relative to the working directory") {
    CHECK(with({set("input.path", "here")}).input.path == "here");
    CHECK(with({set("engine.plugin_path", "['mine']")}).engine.plugin_path == std::vector<std::string>{"mine"});
}

TEST_CASE("a list option goes in front of the file's list") {
    const Setting drop{"select.drop", "['x', 'y']", "--drop x y", false, true};
    CHECK(with({drop}).select.drop == std::vector<std::string>{"x", "y", "a"});
    const Setting keep{"select.keep", "['z']", "--keep z", false, true};
    CHECK(with({keep}).select.keep == std::vector<std::string>{"z"});
    CHECK(with({set("select.drop", "a"), drop}).select.drop == std::vector<std::string>{"x", "y", "a"});
}

TEST_CASE("a text option stays a text") {
    const Setting root{"input.root", "1", "--root 1", true, false};
    CHECK(with({root}).input.root == "1");
}

TEST_CASE("errors in settings name the option") {
    CHECK(error_with({set("input.foo", "1")}) ==
          "--set input.foo=1: unknown key 'foo' in [input]: known are path, reader, assets, root, options");
    CHECK(error_with({set("input.pat", "1")}) ==
          "--set input.pat=1: unknown key 'pat' in [input]: did you mean 'path'?");
    CHECK(error_with({set("engine.tile_mib", "0")}) ==
          "--set engine.tile_mib=0: 'tile_mib' in [engine] is 0: it must be 1 to 1024");
    CHECK(error_with({set("engine.threads", "many")}) ==
          "--set engine.threads=many: 'threads' in [engine] is a string: it must be an integer");
    CHECK(error_with({set("output.2.dtype", "f16")}) ==
          "--set output.2.dtype=f16: there is no output 2: the pipeline has 2, counted from 0");
    CHECK(error_with({set("input..path", "x")}) ==
          "--set input..path=x: 'input..path' is not a key: write it like input.root=model");
    CHECK(error_with({set("version.x", "1")}) == "--set version.x=1: 'version' is not a table");
    CHECK(error_with({set("select.drop.0", "x")}) == "--set select.drop.0=x: 'drop' is not a table");
    CHECK(
        error_with({set("input.options.x", "inf")}) ==
        "--set input.options.x=inf: '/input/options/x' is a date, a time or a number that is not finite, which has no "
        "use here");
    CHECK(error_with({{"select.drop", "['(']", "--drop (", false, true}}) ==
          "--drop (: '(' is no RE2 pattern: missing ): (");
}

TEST_CASE("a value with a line break cannot bring in further keys") {
    CHECK(with({set("input.root", "1\nreader = 'x'")}).input.root == "1\nreader = 'x'");
    CHECK(with({set("input.root", "1\nreader = 'x'")}).input.reader == "fsdp");
}

TEST_CASE("a value that is not UTF-8 is refused") {
    CHECK(error_with({{"input.path", "a\xff", "--input", true, false}}) == "--input: 'a\xff' is not UTF-8");
}

TEST_CASE("settings alone make a pipeline") {
    const Pipeline p = pipeline_of(std::vector{set("input.path", "ckpt"), set("output.path", "out.gguf")});
    CHECK(p.input.path == "ckpt");
    REQUIRE(p.outputs.size() == 1);
    CHECK(p.outputs[0].path == "out.gguf");
    CHECK(p.outputs[0].writer == "gguf");
}
