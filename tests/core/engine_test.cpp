// A conversion from a pipeline to files, through the plugins of this build.

#include "engine.hpp"

#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

#include <filesystem>

using namespace unshard;
using namespace unshard::test;
namespace fs = std::filesystem;

namespace {

const std::string kGolden = std::string(UNSHARD_SOURCE_DIR) + "/tests/golden/fsdp-qwen3-4ranks";
constexpr std::uint64_t kTensors = 25;

/// What an engine said, in the order in which it said it.
struct Seen : Observer {
    std::vector<std::string> passes, warnings;
    std::uint64_t done = 0, total = 0;
    bool goes_back = false;

    void pass(std::string_view name) override { passes.emplace_back(name); }
    void warning(std::string_view text) override { warnings.emplace_back(text); }
    void progress(std::uint64_t now, std::uint64_t all) override {
        goes_back = goes_back || now < done;
        done = now;
        total = all;
    }
};

struct Conversion {
    TempDir directory;
    Pipeline pipeline;
    Seen seen;

    Conversion() {
        pipeline.input.path = kGolden + "/ckpt";
        pipeline.engine = {2, 1, {std::string(UNSHARD_BINARY_DIR) + "/lib/unshard/plugins"}};
        add_output("out", "safetensors");
    }
    void add_output(const std::string& name, const std::string& writer) {
        Pipeline::Output output;
        output.path = directory / name;
        output.writer = writer;
        if (writer == "gguf") output.dtype = "auto";
        pipeline.outputs.push_back(output);
    }
    RunReport run(const RunOptions& options = {}) { return unshard::run(pipeline, options, seen); }
    std::string refused(const RunOptions& options = {}) {
        return error_of([&] { run(options); });
    }
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a conversion runs its passes in order and reports what it did") {
    Conversion conversion;
    const RunReport report = conversion.run();
    CHECK(conversion.seen.passes == Names{"index", "plan", "select", "lay out", "verify", "copy"});
    CHECK(conversion.seen.warnings == report.warnings);
    CHECK(conversion.seen.total == report.outputs.at(0).bytes);
    CHECK(conversion.seen.done == conversion.seen.total);
    CHECK_FALSE(conversion.seen.goes_back);
    CHECK(report.input == kGolden + "/ckpt");
    CHECK(report.reader == "fsdp");
    CHECK(report.merger == "placement");
    CHECK(report.ranks == 4);
    CHECK(report.source_files == 4);
    CHECK(report.tensors == kTensors);
    CHECK(report.model_check == "complete: all tensors as Qwen3ForCausalLM has them (qwen3.toml)");
    REQUIRE(report.outputs.size() == 1);
    CHECK(report.outputs[0].tensors == kTensors);
    CHECK(fs::file_size(conversion.directory / "out/model.safetensors") == report.outputs[0].files.at(0).bytes);
    CHECK(report.outputs[0].bytes == fs::file_size(conversion.directory / "out/model.safetensors") +
                                         fs::file_size(conversion.directory / "out/config.json"));
}

TEST_CASE("a dry run stops before the first byte and says the same") {
    Conversion dry, real;
    const RunReport planned = dry.run({true, false, true});
    const RunReport done = real.run();
    CHECK(dry.seen.passes == Names{"index", "plan", "select", "lay out", "verify"});
    CHECK(dry.directory.entries().empty());
    CHECK(planned.outputs[0].bytes == done.outputs[0].bytes);
    CHECK(planned.model_check == done.model_check);
    CHECK(planned.warnings == done.warnings);
}

TEST_CASE("of several outputs all get their names or none") {
    Conversion both;
    both.add_output("m.gguf", "gguf");
    both.run();
    CHECK(fs::is_regular_file(both.directory / "m.gguf"));
    CHECK(fs::is_directory(both.directory / "out"));

    Conversion one;
    one.add_output("m.gguf", "gguf");
    one.pipeline.outputs[1].dtype = "q9_9";
    CHECK(one.refused().find("q9_9") != std::string::npos);
    CHECK(one.directory.entries().empty());
}

TEST_CASE("a model that is not what config.json says is refused before anything is written") {
    Conversion conversion;
    conversion.pipeline.select.drop = {R"(layers\.1\.mlp\.up_proj)"};
    CHECK(conversion.refused().find("model.layers.1.mlp.up_proj.weight") != std::string::npos);
    CHECK(conversion.directory.entries().empty());
    CHECK(conversion.seen.passes == Names{"index", "plan", "select"});
    conversion.pipeline.select.allow_missing = true;
    CHECK(conversion.run().tensors == kTensors - 1);
    CHECK(conversion.seen.warnings.size() == 1);
}

TEST_CASE("an output that exists stays as it is, unless replacing was asked for") {
    Conversion conversion;
    conversion.run();
    write_file(conversion.directory / "out/config.json", "mine");
    CHECK(conversion.refused().find("exists: pass --force") != std::string::npos);
    CHECK(read_file(conversion.directory / "out/config.json") == "mine");
    conversion.run({false, true, true});
    CHECK(read_file(conversion.directory / "out/config.json") != "mine");
}

TEST_CASE("each output has its own plan when it asks for one") {
    Conversion conversion;
    conversion.add_output("named", "safetensors");
    write_file(conversion.directory / "names.toml",
               "title = 'mine'\n[[models]]\nothers = 'keep'\nrename = [['model.', 'm.']]\n");
    conversion.pipeline.outputs[1].names = conversion.directory / "names.toml";
    const RunReport report = conversion.run();
    CHECK(read_file(conversion.directory / "out/model.safetensors").find("\"m.norm.weight\"") == std::string::npos);
    CHECK(read_file(conversion.directory / "named/model.safetensors").find("\"m.norm.weight\"") != std::string::npos);
    CHECK(report.name_changes.size() == 1);
}
