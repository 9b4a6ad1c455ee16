#include "model/vocabulary.hpp"
#include "models/model_config.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

constexpr const char* kRules = R"(
architectures = ["ToyForCausalLM"]
config.vocab = "vocab_size"
tensors = [
    { name = "embed.weight", shape = ["vocab", 2], split = "vocabulary" },
    { name = "lm_head.weight", shape = ["vocab", 2], split = "vocabulary" },
    { name = "w", shape = ["vocab", 2], split = "replicated" },
]
)";

const nlohmann::json kConfig = {{"architectures", {"ToyForCausalLM"}}, {"vocab_size", 5}};

/// In two pieces of half the rows.
PlannedTensor tensor(const std::string& name, std::uint64_t rows) {
    const Dims shape{rows, 2};
    PlannedTensor t{name, DType::f32, shape, shape, {}, {}, true};
    const std::uint64_t half = rows / 2;
    t.copies.push_back({0, 0, 0, {2, 1}, {{0, 0}, {half, 2}}});
    t.copies.push_back({0, 1, 0, {2, 1}, {{half, 0}, {rows - half, 2}}});
    t.replicas = {t.copies[1]};
    return t;
}

struct Fitted {
    explicit Fitted(std::vector<PlannedTensor> tensors) {
        plan.tensors = std::move(tensors);
        write_file(models / "toy.toml", kRules);
    }
    void fit(const std::string& extra_rows, const nlohmann::json& config = kConfig) {
        const nlohmann::json settings = model_config(config, {}).settings;
        const KnownModel known{find_rules(ModelFiles({models.path()}), settings), {models.path()}};
        fit_vocabulary(plan, {settings, config, known}, extra_rows, changes);
    }

    Plan plan;
    nlohmann::json changes = nlohmann::json::object();
    TempDir models;
};

}  // namespace

TEST_CASE("what is to be refused is left to the completeness check") {
    Fitted model({tensor("embed.weight", 8), tensor("w", 8)});
    const Plan before = model.plan;
    model.fit("refuse");
    CHECK(model.plan == before);
    CHECK(model.changes.empty());
}

TEST_CASE("cutting leaves the first rows, in copies and replicas") {
    Fitted model({tensor("embed.weight", 8), tensor("w", 8)});
    model.fit("cut");
    const PlannedTensor& cut = model.plan.tensors[0];
    CHECK(cut.shape == Dims{5, 2});
    CHECK(cut.view == Dims{5, 2});
    REQUIRE(cut.copies.size() == 2);
    CHECK(cut.copies[0].box == Box{{0, 0}, {4, 2}});
    CHECK(cut.copies[1].box == Box{{4, 0}, {1, 2}});
    CHECK(cut.copies[1].first == 0);
    CHECK(cut.replicas == std::vector<Copy>{cut.copies[1]});
    CHECK(model.plan.tensors[1] == tensor("w", 8));
    CHECK(model.plan.warnings ==
          std::vector<std::string>{"'embed.weight': 3 of its 8 rows are past config.json's vocab_size and left out"});
    CHECK(model.changes.empty());
}

TEST_CASE("pieces that lie wholly in the rows that are cut are gone") {
    Fitted model({tensor("embed.weight", 12)});
    model.fit("cut");
    CHECK(model.plan.tensors[0].copies.size() == 1);
    CHECK(model.plan.tensors[0].replicas.empty());
}

TEST_CASE("keeping changes vocab_size where config.json has it") {
    Fitted model({tensor("embed.weight", 8), tensor("lm_head.weight", 8)});
    const Plan before = model.plan;
    model.fit("keep");
    CHECK(model.plan == before);
    CHECK(model.changes == nlohmann::json{{"vocab_size", 8}});
    Fitted nested({tensor("embed.weight", 8)});
    nested.fit("keep", {{"architectures", {"ToyForCausalLM"}}, {"text_config", {{"vocab_size", 5}}}});
    CHECK(nested.changes == nlohmann::json{{"text_config", {{"vocab_size", 8}}}});
}

TEST_CASE("two embeddings of different sizes cannot both be kept") {
    Fitted model({tensor("embed.weight", 8), tensor("lm_head.weight", 6)});
    CHECK(
        error_of([&] { model.fit("keep"); }) ==
        "'embed.weight' has 8 rows, 'lm_head.weight' has 6: one vocab_size cannot be both: --extra-rows cut leaves out "
        "those past the 5 of config.json");
    model.fit("cut");
    CHECK(model.plan.tensors[1].shape == Dims{5, 2});
}
