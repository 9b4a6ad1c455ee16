#include "support/bundled_plugins.hpp"
#include "support/catch.hpp"

#include <cstring>
#include <filesystem>
#include <fstream>

using namespace unshard;
namespace fs = std::filesystem;

namespace {

Plan plan_with(std::vector<std::tuple<std::string, DType, Dims>> tensors) {
    Plan plan;
    for (auto& [name, dtype, shape] : tensors) plan.tensors.push_back({name, dtype, shape, shape, {}, {}, true});
    return plan;
}

Layout layout_of(const Plan& plan, nlohmann::json options = nlohmann::json::object(), const std::string& assets = "") {
    Request request;
    request.output = "out";
    request.assets = assets;
    request.options = std::move(options);
    return test::bundled_plugins().writer("safetensors")->layout(plan, request);
}

using Files = std::vector<std::pair<std::string, std::string>>;

/// A directory with files of the given text, removed at the end.
struct Directory {
    fs::path path = fs::temp_directory_path() / ("unshard-assets-" + std::to_string(::getpid()));
    explicit Directory(const Files& files) {
        for (const auto& [name, text] : files) {
            fs::create_directories((path / name).parent_path());
            std::ofstream(path / name) << text;
        }
    }
    ~Directory() { fs::remove_all(path); }
};

std::string literal(const Layout& layout, const std::string& file) {
    for (const Literal& l : layout.literals) {
        if (layout.files.at(l.file).name == file) return l.bytes;
    }
    return "no such file";
}

std::vector<std::string> names(const std::vector<Asset>& assets) {
    std::vector<std::string> result;
    for (const Asset& a : assets) result.push_back(a.name);
    return result;
}

}  // namespace

TEST_CASE("the header is the one that the safetensors library writes") {
    // Bytes of safetensors 0.8.0: save_file({"b": bf16 (2, 3), "a": u8 (), "c": f32 (1,)}, metadata={"format": "pt"}).
    const Layout layout =
        layout_of(plan_with({{"a", DType::u8, {}}, {"b", DType::bf16, {2, 3}}, {"c", DType::f32, {1}}}));
    const std::string json = R"({"__metadata__":{"format":"pt"},"c":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                             R"("b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
                             R"("a":{"dtype":"U8","shape":[],"data_offsets":[16,17]}})";
    const std::string header = literal(layout, "model.safetensors");
    std::uint64_t length = 0;
    std::memcpy(&length, header.data(), 8);
    CHECK(length % 8 == 0);
    CHECK(header.size() == 8 + length);
    CHECK(header.substr(8) == json + std::string(length - json.size(), ' '));
    REQUIRE(layout.files.size() == 1);
    CHECK(layout.files[0].bytes == header.size() + 17);
}

TEST_CASE("parts are filled in name order up to the limit") {
    const Plan plan =
        plan_with({{"a", DType::u8, {60}}, {"b", DType::u8, {60}}, {"c", DType::u8, {40}}, {"d", DType::u8, {500}}});
    const Layout layout = layout_of(plan, {{"max_shard_size", "100"}});
    REQUIRE(layout.files.size() == 4);
    CHECK(layout.files[0].name == "model-00001-of-00003.safetensors");
    const auto index = nlohmann::json::parse(literal(layout, "model.safetensors.index.json"));
    CHECK(index["metadata"]["total_size"] == 660);
    CHECK(index["weight_map"] == nlohmann::json{{"a", "model-00001-of-00003.safetensors"},
                                                {"b", "model-00002-of-00003.safetensors"},
                                                {"c", "model-00002-of-00003.safetensors"},
                                                {"d", "model-00003-of-00003.safetensors"}});
}

TEST_CASE("a dtype is for floating-point tensors only") {
    const Layout layout = layout_of(plan_with({{"f", DType::bf16, {2}}, {"i", DType::i64, {2}}}), {{"dtype", "f16"}});
    REQUIRE(layout.placed.size() == 2);
    CHECK(layout.encodings.at(layout.placed[0].encoding).name == "i64");
    CHECK(layout.encodings.at(layout.placed[1].encoding).name == "f16");
}

TEST_CASE("assets are what a model needs, never weights or other code") {
    const Directory dir(
        {{"config.json", R"({"auto_map": {"AutoModel": "modeling_x.X", "AutoConfig": "you/other--conf.C"}})"},
         {"tokenizer.json", "{}"},
         {"tokenizer.model", "m"},
         {"vocab.txt", "v"},
         {"qwen.tiktoken", "t"},
         {"chat_template.jinja", "c"},
         {"additional_chat_templates/tool.jinja", "a"},
         {"preprocessor_config.json", "{}"},
         {"generation_config.json", "{}"},
         {"modeling_x.py", "from .helper import y\nimport os\n"},
         {"helper.py", "pass"},
         {"train.py", "pass"},
         {"model.safetensors", "old"},
         {"model.safetensors.index.json", "{}"},
         {"pytorch_model.bin", "old"},
         {"optimizer.pt", "old"},
         {"README.md", "text"}});
    CHECK(names(layout_of(plan_with({{"a", DType::u8, {1}}}), nlohmann::json::object(), dir.path).assets) ==
          std::vector<std::string>{"additional_chat_templates/tool.jinja", "chat_template.jinja",
                                   "generation_config.json", "helper.py", "modeling_x.py", "preprocessor_config.json",
                                   "qwen.tiktoken", "tokenizer.json", "tokenizer.model", "vocab.txt"});
}

TEST_CASE("config.json stays as it is but for a dtype that is no longer true") {
    const std::string before =
        "{ \"dtype\": \"bfloat16\",\n\"eps\": 1e-06, \"x\": Infinity, \"text_config\": {\"dtype\":\"bfloat16\"} }";
    const Directory dir(Files{{"config.json", before}});
    const Plan plan = plan_with({{"a", DType::bf16, {1}}});
    CHECK(literal(layout_of(plan, nlohmann::json::object(), dir.path), "config.json") == before);
    CHECK(literal(layout_of(plan, {{"dtype", "f32"}}, dir.path), "config.json") ==
          "{ \"dtype\": \"float32\",\n\"eps\": 1e-06, \"x\": Infinity, \"text_config\": {\"dtype\":\"float32\"} }");
}

TEST_CASE("of tensors of several types config.json states that of most elements") {
    const Directory dir(Files{{"config.json", R"({"torch_dtype": "float16"})"}});
    const Plan plan = plan_with({{"a", DType::bf16, {9}}, {"b", DType::f32, {2}}, {"c", DType::f32, {2}}});
    CHECK(literal(layout_of(plan, nlohmann::json::object(), dir.path), "config.json") ==
          R"({"torch_dtype": "bfloat16"})");
}

TEST_CASE("tensors get the types that are asked for by name, and config.json that of most") {
    const Directory dir(Files{{"config.json", R"({"dtype": "bfloat16"})"}});
    const Plan plan = plan_with(
        {{"gate", DType::bf16, {4}}, {"norm", DType::f32, {2}}, {"steps", DType::i64, {1}}, {"w", DType::bf16, {9}}});
    const nlohmann::json types = {{{"match", "^gate"}, {"type", "f32"}},
                                  {{"match", "norm"}, {"type", "keep"}},
                                  {{"match", "^(gate|steps)"}, {"type", "f16"}},
                                  {{"match", "nothing"}, {"type", "f16"}}};
    const Layout layout = layout_of(plan, {{"dtype", "f16"}, {"types", types}}, dir.path);
    const std::string header = literal(layout, "model.safetensors");
    CHECK(header.find(R"("gate":{"dtype":"F32")") != std::string::npos);
    CHECK(header.find(R"("norm":{"dtype":"F32")") != std::string::npos);
    CHECK(header.find(R"("steps":{"dtype":"I64")") != std::string::npos);
    CHECK(header.find(R"("w":{"dtype":"F16")") != std::string::npos);
    CHECK(literal(layout, "config.json") == R"({"dtype": "float16"})");
    CHECK(layout.warnings ==
          std::vector<std::string>{
              "option 'types': no tensor of the output has a name with 'nothing' in it",
              "2 of 4 tensors are not f16, of which most weights are, and which config.json states: 'gate', 'norm'"});
}

TEST_CASE("without config.json the weights are laid out all the same, with a warning") {
    const Layout layout = layout_of(plan_with({{"a", DType::bf16, {1}}}));
    CHECK(layout.warnings ==
          std::vector<std::string>{"there is no config.json: only the weights are written; --assets DIR names a "
                                   "directory with one"});
}

TEST_CASE("bad options of the safetensors writer are usage errors") {
    const Plan plan = plan_with({{"a", DType::bf16, {1}}});
    CHECK_THROWS_WITH(layout_of(plan, {{"dtype", "q8_0"}}),
                      "dtype 'q8_0': writer 'safetensors' knows keep, f32, f16 and bf16");
    CHECK_THROWS_WITH(layout_of(plan, {{"types", {{{"match", "a"}, {"type", "q8_0"}}}}}),
                      "option 'types': type 'q8_0': writer 'safetensors' knows keep, f32, f16 and bf16");
    CHECK_NOTHROW(layout_of(plan, {{"max_shard_size", "500M"}}));
    CHECK_THROWS_WITH(layout_of(plan, {{"max_shard_size", "99999999999GB"}}),
                      "max_shard_size '99999999999GB': is more than 2^64 bytes");
    CHECK_THROWS_WITH(layout_of(plan, {{"max_shard_size", "5 gigs"}}),
                      "max_shard_size '5 gigs': not a size; write it like 5GB, 500MB or 2GiB");
    CHECK_THROWS_AS(layout_of(plan, {{"dtyp", "f16"}}), UsageError);
}
