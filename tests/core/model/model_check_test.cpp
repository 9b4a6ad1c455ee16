#include "model/model_check.hpp"
#include "models/rules.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

constexpr const char* kRules = R"(
architectures = ["ToyForCausalLM"]
config.layers = "num_hidden_layers"
config.hidden = "hidden_size"
tensors = [
    { name = "embed", shape = [5, "hidden"], split = "vocabulary" },
    { name = "layers.{layer}.w", shape = ["hidden", "hidden"], split = "column" },
]
)";

const nlohmann::json kConfig = {{"architectures", {"ToyForCausalLM"}}, {"num_hidden_layers", 2}, {"hidden_size", 4}};

const PlannedTensor kEmbedding{"embed", DType::f32, {5, 4}, {5, 4}, {}, {}, true};

PlannedTensor square(const std::string& name, std::uint64_t rows = 4) {
    return {name, DType::f32, {rows, rows}, {rows, rows}, {}, {}, true};
}

/// A plan before the rules of a model of two layers.
struct Checked {
    explicit Checked(std::vector<PlannedTensor> tensors) {
        plan.tensors = std::move(tensors);
        write_file(models / "toy.toml", kRules);
    }

    /// The line for the report.
    std::string check(const nlohmann::json& config = kConfig) {
        const KnownModel known{find_rules(ModelFiles({models.path()}), config), {models.path()}};
        return check_model(plan, {config, known, select, find_quantised(plan), cause_of_other_shapes});
    }
    std::string error() {
        return error_of([&] { check(); });
    }

    Plan plan;
    Pipeline::Select select;
    std::string cause_of_other_shapes;
    TempDir models;
};

}  // namespace

TEST_CASE("a model that has all tensors of its class is complete") {
    Checked model({square("layers.1.w"), kEmbedding, square("layers.0.w")});
    CHECK(model.check() == "complete: all tensors as ToyForCausalLM has them (toy.toml)");
    CHECK(model.plan.warnings.empty());
}

TEST_CASE("a lost layer is an error that lists its tensors, or a warning where it may be missing") {
    Checked model({kEmbedding, square("layers.0.w")});
    CHECK(model.error() ==
          "the tensors are not those of ToyForCausalLM in config.json: 1 missing: 'layers.1.w' (--allow-missing writes "
          "the rest)");
    model.select.allow_missing = true;
    CHECK(model.check() == "incomplete, the rest as ToyForCausalLM has them (toy.toml)");
    CHECK(model.plan.warnings == std::vector<std::string>{"ToyForCausalLM: 1 missing: 'layers.1.w'"});
}

TEST_CASE("what was left out is missing all the same, and the error says why") {
    Checked model({kEmbedding, square("layers.0.w")});
    model.plan.dropped = {{"layers.1.w", "[select] drop '1'"}, {"value_head", "[select] drop 'value'"}};
    CHECK(model.error() ==
          "the tensors are not those of ToyForCausalLM in config.json: 1 missing: 'layers.1.w', 1 of them left out by "
          "drop (--allow-missing writes the rest)");
    model.select.allow_missing = true;
    CHECK(model.check() == "incomplete, the rest as ToyForCausalLM has them (toy.toml)");
}

TEST_CASE("an unexpected tensor is an error until it is kept") {
    Checked model({kEmbedding, square("layers.0.w"), square("layers.1.w"), square("value_head")});
    CHECK(model.error() ==
          "the tensors are not those of ToyForCausalLM in config.json: 1 unexpected: 'value_head' (--drop PATTERN "
          "leaves them out, --keep PATTERN writes them)");
    model.select.keep = {"^value_"};
    CHECK(model.check() == "complete: all tensors as ToyForCausalLM has them (toy.toml)");
}

TEST_CASE("a layer too many and a wrong shape are told in one error") {
    Checked model({kEmbedding, square("layers.0.w"), square("layers.1.w", 2), square("layers.2.w")});
    model.select.allow_missing = true;
    CHECK(model.error() ==
          "the tensors are not those of ToyForCausalLM in config.json: 1 unexpected: 'layers.2.w' (--drop PATTERN "
          "leaves them out, --keep PATTERN writes them); 1 of another shape than config.json says: layers.1.w is (2, "
          "2), not (4, 4)");
    model.cause_of_other_shapes = " (are these parts?)";
    CHECK(model.error().ends_with("not (4, 4) (are these parts?)"));
}

TEST_CASE("more rows than tokens are refused with both numbers and both ways out") {
    Checked model({{"embed", DType::f32, {8, 4}, {8, 4}, {}, {}, true}, square("layers.0.w"), square("layers.1.w")});
    CHECK(model.error() ==
          "the tensors are not those of ToyForCausalLM in config.json: 'embed' has 8 rows, config.json's vocab_size is "
          "5: "
          "--extra-rows cut leaves out the last 3 (padding), --extra-rows keep writes them and changes vocab_size "
          "(tokens "
          "that were added)");
    model.plan.tensors[1] = square("layers.0.w", 2);
    CHECK(model.error().find("2 of another shape than config.json says: embed is (8, 4), not (5, 4), ") !=
          std::string::npos);
}

TEST_CASE("names of another kind altogether are shown beside those that were looked for") {
    Checked model({square("blk.0.w"), square("blk.1.w")});
    CHECK(model.error() ==
          "no tensor has a name that ToyForCausalLM in config.json has, such as 'embed', 'layers.0.w', 'layers.1.w'; "
          "there are 'blk.0.w', 'blk.1.w' (--rename FROM=TO brings other names in, --assets none converts without "
          "config.json)");
}

TEST_CASE("one prefix in front of every name is found, and the option that takes it off") {
    Checked model({square("net.model.layers.1.w"),
                   square("net.model.layers.0.w"),
                   {"net.model.embed", DType::f32, {5, 4}, {5, 4}, {}, {}, true}});
    CHECK(model.error() ==
          "the tensors are those of ToyForCausalLM in config.json, with 'net.model.' in front of their "
          "names: pass --strip net.model. to take it off");
}

TEST_CASE("where names begin with the prefix twice, an option is offered that takes it off once") {
    Checked model({square("layers.layers.1.w"),
                   square("layers.layers.0.w"),
                   {"layers.embed", DType::f32, {5, 4}, {5, 4}, {}, {}, true}});
    CHECK(
        model.error().ends_with("with 'layers.' in front of their names: pass --rename '^layers\\.=' to take it off"));
}

TEST_CASE("a class that FSDP2 wrapped is the class itself") {
    Checked model({kEmbedding, square("layers.0.w"), square("layers.1.w")});
    nlohmann::json config = kConfig;
    config["architectures"] = {"FSDPToyForCausalLM"};
    CHECK(model.check(config) == "complete: all tensors as ToyForCausalLM has them (toy.toml)");
    CHECK(architecture_of({{"architectures", {"FSDP"}}}) == "FSDP");
    CHECK(architecture_of({{"architectures", nullptr}}).empty());
    CHECK(architecture_of({{"architectures", {3}}}).empty());
}

TEST_CASE("a model that nothing is known of is not checked, and the report says so") {
    Checked model({square("blk.0.w")});
    CHECK(model.check(nullptr) == "not checked for completeness: there is no config.json");
    CHECK(model.plan.warnings.empty());
    const std::string unknown = "not checked for completeness: nothing is known about OtherForCausalLM";
    const std::string nameless = "not checked for completeness: config.json has no 'architectures'";
    CHECK(model.check({{"architectures", {"OtherForCausalLM"}}}) == unknown);
    CHECK(model.check({{"hidden_size", 4}}) == nameless);
    CHECK(model.plan.warnings == std::vector<std::string>{unknown, nameless});
}
