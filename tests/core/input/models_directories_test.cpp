#include "input/models_directories.hpp"

#include "support/catch.hpp"
#include "support/temp_dir.hpp"
#include "unshard/tools/error.hpp"

using namespace unshard;
using namespace unshard::test;

TEST_CASE("directories that options name come before the pipeline's own") {
    const TempDir mine, merger, beside;
    Pipeline pipeline;
    pipeline.models = beside.path();
    pipeline.merge.options["model_dir"] = merger.path();
    pipeline.outputs.resize(2);
    pipeline.outputs[1].options["model_dir"] = mine.path();
    const std::vector<std::string> found = models_directories(pipeline);
    REQUIRE(found.size() >= 3);
    CHECK(found[0] == mine.path());
    CHECK(found[1] == merger.path());
    CHECK(found[2] == beside.path());
    CHECK(without_models_directory({{"model_dir", "x"}, {"pre", "gpt-2"}}) == nlohmann::json{{"pre", "gpt-2"}});
}

TEST_CASE("a directory that is not there, or no text, is refused") {
    Pipeline pipeline;
    pipeline.merge.options["model_dir"] = "/nowhere";
    CHECK_THROWS_WITH(models_directories(pipeline), "option 'model_dir': there is no directory '/nowhere'");
    pipeline.merge.options["model_dir"] = 3;
    CHECK_THROWS_AS(models_directories(pipeline), UsageError);
}
