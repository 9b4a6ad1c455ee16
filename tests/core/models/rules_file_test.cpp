#include "models/model_files.hpp"
#include "rules_support.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

constexpr std::string_view kHead = R"(architectures = ["Toy"]
config.hidden = "hidden_size"
config.layers = "num_hidden_layers"
config.experts = "num_experts"
config.dense = { field = "mlp_only_layers", default = [] }
)";

/// The message for a file that ends so, without the file's path. It begins on line 6.
std::string failure(const std::string& rest) {
    const RulesFileOnDisk file(std::string(kHead) + rest);
    const std::string message = message_of([&] { load_rules(file.path()); });
    return message.starts_with(file.path()) ? message.substr(file.path().size()) : message;
}

std::string with_tensor(const std::string& row) {
    return failure("tensors = [{ " + row + " }]");
}

std::string with_fused(const std::string& table) {
    return failure(R"(tensors = [
    { name = "l.{layer}.q", shape = ["hidden", "hidden"], split = "column" },
    { name = "l.{layer}.k", shape = ["hidden", "hidden"], split = "column", unit = 2 },
    { name = "l.{layer}.o", shape = ["hidden", "hidden"], split = "row" },
]
)" + table);
}

}  // namespace

TEST_CASE("rules have what their file says") {
    const ModelRules rules = rules_of(R"(
architectures = "Toy"
mesh = "dp=2,tp"
outside = ["vision."]
config.layers = "n_layer"
define.odd = "layer % 2 == 1"
prefixes."text." = ""
tensors = [
    { name = "l.{layer}.q", shape = [["layers", 2], 3], split = "column", unit = 2, when = "odd", optional = true },
]
)");
    CHECK(rules.architectures == std::vector<std::string>{"Toy"});
    CHECK(rules.mesh == "dp=2,tp");
    const TensorRule& q = rules.tensors.at(0);
    CHECK(q.name.text() == "l.{layer}.q");
    CHECK(q.shape.at(0).size() == 2);
    CHECK(q.split == Split::column);
    CHECK(q.when->value({}, {{"layer", 3}}) == 1);
    CHECK(q.optional->value({}) == 1);
    CHECK(match_name(rules, "vision.blocks.0")->is_outside());
    CHECK(match_name(rules, "text.l.4.q")->at == Placeholders{{"layer", 4}});
    CHECK_FALSE(match_name(rules, "text.l.4.k").has_value());
}

TEST_CASE("a slip in a rules file is told with its place") {
    CHECK(failure("tensor = []") == ":6:10: unknown key 'tensor' at the top level: did you mean 'tensors'?");
    CHECK(failure("shapes = []") ==
          ":6:10: unknown key 'shapes' at the top level: known are architectures, mesh, config, define, prefixes, "
          "outside, buffers, extra_layers, tensors, alternatives, fused");
    CHECK(failure("extra_layers = 'l.'") == ":6:16: it must have one placeholder and end behind it with a dot");
    CHECK(failure("extra_layers = 'l.{stage}.'") == ":6:16: '{stage}' needs 'stages' in 'config' to count to");
    CHECK(failure("tensors = 3") == ":6:11: 'tensors' at the top level is an integer: it must be an array of tables");
    CHECK(failure("mesh = 3") == ":6:8: 'mesh' at the top level is an integer: it must be a string");
    CHECK(failure("config.heads = 3") == ":6:16: 'heads' must be a field's name or { field = ..., default = ... }");
    CHECK(failure("config.heads = { field = 'a', default = 'tails' }") ==
          ":6:41: 'tails' is not defined above: write config.tails = the field of config.json");
    CHECK(failure("config.heads = { field = 'a', default = [1] }") == ":6:41: a list can only be empty by default");
    CHECK(message_of([] { rules_of("config.layers = 'n'"); }).ends_with("'architectures' is missing"));
}

TEST_CASE("a slip in a tensor's rule is told with its place") {
    CHECK(with_tensor("shape = [], split = 'row'") == ":6:12: 'name' in [[tensors]] is missing");
    CHECK(with_tensor("name = 'a', split = 'row'") == ":6:12: 'shape' must be an array, one item a dimension");
    CHECK(with_tensor("name = 'a', shape = []") == ":6:12: 'split' in [[tensors]] is missing");
    CHECK(with_tensor("name = 'a', shape = ['hidden'], split = 'row'") == ":6:12: split 'row' needs 2 dimensions");
    CHECK(with_tensor("name = 'a', shape = ['hidden'], split = 'rows'") ==
          ":6:54: split 'rows' is unknown: known are replicated, column, row, vocabulary, grouped");
    CHECK(with_tensor("name = 'a', shape = ['hiden'], split = 'column'") ==
          ":6:35: 'hiden' is not defined above: write config.hiden = the field of config.json");
    CHECK(with_tensor("name = 'a', shape = ['layer'], split = 'column'") ==
          ":6:35: 'layer' is not defined above: write config.layer = the field of config.json");
    CHECK(with_tensor("name = 'a.{stage}', shape = [1], split = 'column'") ==
          ":6:12: '{stage}' needs 'stages' in 'config' to count to");
    CHECK(with_tensor("name = 'a', shape = [1, [1, 2]], split = 'column'") ==
          ":6:38: only the first dimension can be in sections");
    CHECK(with_tensor("name = 'a', shape = ['1 +'], split = 'column'") ==
          ":6:35: expression '1 +': a number or a name is missing before ''");
    CHECK(with_tensor("name = 'a', shape = [1], split = 'column' }, { name = 'a', shape = [1], split = 'column'") ==
          ":6:59: 'a' is described twice");
}

TEST_CASE("parts that do not fit together are refused") {
    CHECK(with_fused("fused = [{ name = 'l.{layer}.qx', parts = ['l.{layer}.x'] }]") ==
          ":11:10: no tensor above is called 'l.{layer}.x'");
    CHECK(with_fused("fused = [{ name = 'qk', parts = ['l.{layer}.q'] }]") ==
          ":11:10: 'l.{layer}.q' and 'qk' count different things");
    const std::string cure = " cannot be fused: parts are all column or all replicated, in one section";
    CHECK(with_fused("fused = [{ name = 'l.{layer}.qo', parts = ['l.{layer}.q', 'l.{layer}.o'] }]") ==
          ":11:10: 'l.{layer}.o'" + cure);
    CHECK(with_fused("fused = [{ name = 'l.{layer}.oo', parts = ['l.{layer}.o', 'l.{layer}.o'] }]") ==
          ":11:10: 'l.{layer}.o'" + cure);
    CHECK(with_fused("fused = [{ name = 'l.{layer}.qk', parts = ['l.{layer}.q'], layout = 'grouped' }]") ==
          ":11:10: layout 'grouped': 'l.{layer}.q' must be split by column and have a 'unit'");
    CHECK(with_fused("fused = [{ name = 'l.{layer}.qk', parts = ['l.{layer}.q'], layout = 'rows' }]") ==
          ":11:69: the only layout to name is 'grouped'");
    CHECK(with_fused("fused = [{ name = 'l.{layer}.qk' }]") == ":11:10: 'parts' is missing");
}

TEST_CASE("a rules file that cannot be read or is not TOML is refused") {
    CHECK(message_of([] { load_rules("/nowhere/rules.toml"); }) ==
          "/nowhere/rules.toml: cannot open: No such file or directory");
    CHECK(failure("tensors = [").starts_with(":6:12: "));
    CHECK_FALSE(ModelFiles({"/nowhere"}).find("Toy"));
}

TEST_CASE("a TOML file that is no model's is none of the directory's models") {
    const RulesFileOnDisk file(kHead);
    std::ofstream(file.directory() / "pyproject.toml") << "[project]\nname = 'x'\n";
    CHECK(ModelFiles({file.directory().string()}).find("Toy"));
    std::ofstream(file.directory() / "slip.toml") << "architecture = ['Toy2']\ntensors = []\n";
    CHECK(message_of([&] {
              ModelFiles({file.directory().string()});
          }).find("slip.toml:1:16: unknown key 'architecture' at the top level: did you mean 'architectures'?") !=
          std::string::npos);
}

TEST_CASE("an architecture in two files is refused") {
    const RulesFileOnDisk file(kHead);
    const std::string second = (file.directory() / "second.toml").string();
    std::ofstream(second) << kHead;
    CHECK(message_of([&] { ModelFiles({file.directory().string()}); }) ==
          second + ": architecture 'Toy' is in " + file.path() + " too");
}
