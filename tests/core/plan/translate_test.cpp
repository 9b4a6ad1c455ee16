#include "plan/translate.hpp"

#include "plan/names_of.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

/// A tensor of one shard, in it as it is.
PlannedTensor tensor(const std::string& name, const Dims& shape) {
    PlannedTensor t{name, DType::f32, shape, shape, {}, {}, true};
    if (shape.numel() != 0) t.copies.push_back({0, 0, 0, contiguous_strides(shape), Box::whole(shape)});
    return t;
}

/// A directory of models with dialects in it.
struct Dialects {
    TempDir models;

    void add(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories(models / "names");
        write_file(models / ("names/" + name + ".toml"), "title = '" + name + "!'\n" + text);
    }
    NamedModel model(std::vector<std::string> names, const std::string& architecture = "Toy") const {
        return {std::move(names), architecture, {models.path()}};
    }
};

constexpr const char* kToyRules = R"(
config.layers  = "num_hidden_layers"
config.experts = "num_experts"
config.ff      = "ff"
[[models]]
has = ["layers.*"]
tensors = [
    { name = "layers.[{layer}.]w", to = "model.{layer}.w" },
    { name = "layers.[{layer}.]gate_up", to = ["model.{layer}.gate", "model.{layer}.up"] },
    { name = "layers.{layer}.t", to = { name = "model.{layer}.t", transpose = true } },
    { name = "layers.{layer}.square", only = ["ff", "experts"], to = { name = "model.{layer}.square", transpose = true } },
    { name = "layers.{layer}.square", to = "model.{layer}.other" },
    { name = ["layers.{layer}.w1", "layers.{layer}.w3"], along = 1, to = { name = "model.{layer}.gate_up", transpose = true } },
    { name = "mtp.{mtp}.w", to = "model.{layer}.w", numbers = { layer = "layers + mtp" } },
    { name = ["layers.{layer}.q", "layers.{layer}.k"], to = "model.{layer}.qk" },
    { name = ["layers.{layer}.e.{expert}.w1", "layers.{layer}.e.{expert}.w3"], to = "model.{layer}.w13" },
]
drop = [{ name = "*._freqs", why = "computed" }]
rename = [["model.7.", "last."]]
)";

const nlohmann::json kConfig = {{"num_hidden_layers", 2}, {"num_experts", 2}, {"ff", 3}};

Plan translated(std::vector<PlannedTensor> tensors, const std::string& rules = kToyRules) {
    const Dialects dialects;
    dialects.add("toy", rules);
    const auto dialect = choose_dialect("toy", dialects.model({"layers.0"}));
    return translate({std::move(tensors), {}, {}}, dialect.value(), kConfig, std::nullopt);
}

std::string refused(std::vector<PlannedTensor> tensors) {
    return error_of([&] { translated(std::move(tensors)); });
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("an axis of layers becomes a tensor for each, whose rows can be cut in halves") {
    const Plan plan = translated({tensor("layers.gate_up", {2, 4, 3}), tensor("layers.1.w", {5})});
    CHECK(names_of(plan.tensors) == Names{"model.0.gate", "model.0.up", "model.1.gate", "model.1.up", "model.1.w"});
    const PlannedTensor& up = plan.tensors[3];
    CHECK(up.shape == Dims{2, 3});
    REQUIRE(up.copies.size() == 1);
    CHECK(up.copies[0].first == 12 + 6);
    CHECK(up.copies[0].box.extent.numel() == 6);
}

TEST_CASE("a transposed tensor has its strides in the other order") {
    const Plan plan = translated({tensor("layers.0.t", {2, 3})});
    CHECK(plan.tensors[0].shape == Dims{3, 2});
    CHECK(plan.tensors[0].copies[0].stride == Dims{1, 3});
}

TEST_CASE("numbers are computed, prefixes renamed, and what is dropped says why") {
    const Plan plan = translated({tensor("mtp.1.w", {2}), tensor("layers.7.w", {2}), tensor("a._freqs", {2})});
    CHECK(names_of(plan.tensors) == Names{"model.3.w", "last.w"});
    REQUIRE(plan.dropped.size() == 1);
    CHECK(plan.dropped[0].name == "a._freqs");
    CHECK(plan.dropped[0].why == "computed");
}

TEST_CASE("rows of several tensors follow each other, and tensors of experts are stacked") {
    const Plan plan = translated({tensor("layers.0.e.1.w3", {1, 2}), tensor("layers.0.k", {1, 3}),
                                  tensor("layers.0.e.0.w3", {1, 2}), tensor("layers.0.q", {2, 3}),
                                  tensor("layers.0.e.0.w1", {1, 2}), tensor("layers.0.e.1.w1", {1, 2})});
    CHECK(names_of(plan.tensors) == Names{"model.0.w13", "model.0.qk"});
    CHECK(plan.tensors[1].shape == Dims{3, 3});
    CHECK(plan.tensors[1].copies[1].box == Box{{2, 0}, {1, 3}});
    CHECK(plan.tensors[0].shape == Dims{2, 2, 2});
    REQUIRE(plan.tensors[0].copies.size() == 4);
    CHECK(plan.tensors[0].copies[3].box == Box{{1, 1, 0}, {1, 1, 2}});
}

TEST_CASE("what is missing of a tensor that is put together is named") {
    CHECK(refused({tensor("layers.0.q", {2, 3})}) == "'model.0.qk': 'layers.0.k' is missing, which is a part of it");
    CHECK(refused({tensor("layers.0.e.1.w1", {1, 2}), tensor("layers.0.e.1.w3", {1, 2})}) ==
          "'model.0.w13': its expert 0 is missing");
    CHECK(refused({tensor("layers.0.e.0.w1", {1, 2}), tensor("layers.0.e.0.w3", {1, 2})}) ==
          "'model.0.w13': it has 1 experts, of which config.json has 2");
    CHECK(refused({tensor("layers.0.e.0.w1", {1, 2}), tensor("layers.0.e.1.w3", {1, 2})}) ==
          "'model.0.w13': 'layers.0.e.0.w3' is missing, which is a part of it");
    CHECK(refused({tensor("layers.0.q", {2, 3}), tensor("layers.0.k", {2, 4})}) ==
          "'model.0.qk': the shape of 'layers.0.q' is (2, 3), that of 'layers.0.k' is (2, 4): they cannot become one "
          "tensor");
}

TEST_CASE("a rule for a shape leaves others of the name to the next, and does not guess where both layouts have it") {
    const Plan plan = translated({tensor("layers.0.square", {2, 3}), tensor("layers.1.square", {3, 2})});
    CHECK(names_of(plan.tensors) == Names{"model.0.other", "model.1.square"});
    CHECK(plan.tensors[1].shape == Dims{2, 3});
    const std::string rules =
        "config.ff = 'ff'\n[[models]]\nhas = ['layers.*']\n"
        "tensors = [{ name = 'layers.w', only = ['ff', 'ff'], to = { name = 'w', transpose = true } }]\n";
    CHECK(error_of([&] { translated({tensor("layers.w", {3, 3})}, rules); }) ==
          "'layers.w': its shape is (3, 3) in both layouts: which it has cannot be told: --names keep writes it as it "
          "is");
}

TEST_CASE("tensors follow each other in any dimension, and the whole is taken as the target says") {
    const Plan plan = translated({tensor("layers.0.w1", {2, 1, 3}), tensor("layers.0.w3", {2, 1, 3})});
    REQUIRE(names_of(plan.tensors) == Names{"model.0.gate_up"});
    CHECK(plan.tensors[0].shape == Dims{2, 3, 2});  // (2, 2, 3), transposed
    REQUIRE(plan.tensors[0].copies.size() == 2);
    CHECK(plan.tensors[0].copies[1].box.origin == Dims{0, 0, 1});
    CHECK(refused({tensor("layers.0.w1", {2, 1, 3}), tensor("layers.0.w3", {3, 1, 3})}) ==
          "'model.0.gate_up': the shape of 'layers.0.w1' is (2, 1, 3), that of 'layers.0.w3' is (3, 1, 3): they cannot "
          "become one tensor");
}

TEST_CASE("layouts that differ from config.json, and names that meet, are refused by name") {
    CHECK(refused({tensor("layers.w", {3, 4})}) ==
          "'layers.w': its shape is (3, 4): the first dimension counts layers, of which config.json has 2");
    CHECK(refused({tensor("layers.w", {})}) ==
          "'layers.w': its shape is (): the first dimension counts layers, of which config.json has 2");
    CHECK(refused({tensor("layers.gate_up", {2, 3, 3})}) ==
          "'layers.gate_up': its shape is (3, 3): it does not consist of 2 parts of equal rows");
    CHECK(refused({tensor("layers.w", {2, 4}), tensor("layers.1.w", {4})}) ==
          "'layers.1.w': becomes 'model.1.w', and so does 'layers.w'");
    CHECK(refused({tensor("layers.0.w", {4}), tensor("strange", {1})})
              .starts_with("'strange': among names of toy!, and "));
}

TEST_CASE("more layers than any model has are not made, whatever a shape says") {
    const std::string rules =
        "[[models]]\nhas = ['layers.*']\ntensors = [{ name = 'layers.w', to = 'model.{layer}.w' }]\n";
    CHECK(error_of([&] { translated({tensor("layers.w", {1ULL << 40, 0})}, rules); }) ==
          "'layers.w': its shape is (1099511627776, 0): at most 65536 tensors are made of one");
}

TEST_CASE("a dialect without config.json is refused when its layout follows from it") {
    const Dialects dialects;
    dialects.add("toy", kToyRules);
    const auto dialect = choose_dialect("auto", dialects.model({"layers.0.w"}, ""));
    REQUIRE(dialect);
    CHECK(error_of([&] { translate({}, *dialect, nullptr, std::nullopt); }).find("--assets DIR") != std::string::npos);
}

TEST_CASE("a dialect is recognised by all of its names and the class") {
    const Dialects dialects;
    dialects.add("a", "[[models]]\nclasses = ['Toy']\nhas = ['embed', 'layers.{layer}.*']\n");
    dialects.add("hub", "[[models]]\nothers = 'keep'\n");  // names of outputs are not recognised
    const auto chosen = [&](Names names, const std::string& architecture) {
        return choose_dialect("auto", dialects.model(std::move(names), architecture));
    };
    CHECK(chosen({"embed", "layers.0.w"}, "Toy").value().title == "a!");
    CHECK_FALSE(chosen({"embed"}, "Toy").has_value());
    CHECK_FALSE(chosen({"layers.0.w", "embedding"}, "Toy").has_value());
    CHECK_FALSE(chosen({"embed", "layers.0.w"}, "Other").has_value());
    CHECK_FALSE(choose_dialect("keep", dialects.model({"embed", "layers.0.w"})).has_value());
    dialects.add("b", "[[models]]\nhas = ['embed']\n");
    CHECK(error_of([&] { chosen({"embed", "layers.0.w"}, "Toy"); }) ==
          "the names are those of a! and of b!: say which with --names a or --names b");
}

TEST_CASE("a dialect that is asked for must be there, know the class and have the names") {
    const Dialects dialects;
    dialects.add("megatron", "[[models]]\nclasses = ['Toy']\nhas = ['embed']\n");
    const auto failure = [&](const std::string& wanted, const std::string& architecture) {
        return error_of([&] { choose_dialect(wanted, dialects.model({"a", "b"}, architecture)); });
    };
    CHECK(failure("megatorn", "Toy").find("did you mean 'megatron'?") != std::string::npos);
    CHECK(failure("megatron", "Other").find("says nothing of Other") != std::string::npos);
    CHECK(failure("megatron", "").find("--assets DIR") != std::string::npos);
    CHECK(failure("megatron", "Toy") ==
          "--names megatron: no tensor is called like 'embed', which all names of megatron! have: the checkpoint has "
          "'a', 'b'");
    CHECK(choose_dialect(dialects.models / "names/megatron.toml", dialects.model({"embed"})).value().title ==
          "megatron!");
}

TEST_CASE("names of an output are the hub's where it has something to say of the class") {
    const Dialects dialects;
    CHECK_FALSE(output_dialect("hub", dialects.model({"a"})).has_value());
    dialects.add("hub", "[[models]]\nclasses = ['Toy']\nothers = 'keep'\n");
    CHECK(output_dialect("hub", dialects.model({"a"})).has_value());
    CHECK_FALSE(output_dialect("hub", dialects.model({"a"}, "Other")).has_value());
    CHECK_FALSE(output_dialect("keep", dialects.model({"a"})).has_value());
    CHECK(error_of([&] { output_dialect("hbu", dialects.model({"a"})); }).starts_with("--output-names hbu: "));
}
