#include "select/select.hpp"
#include "support/catch.hpp"
#include "unit/engine/error_text.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

Plan plan_of(const std::vector<std::string>& names) {
    Plan plan;
    for (const std::string& name : names) plan.tensors.push_back({name, DType::f32, {2}, {2}, {}, {}, true});
    return plan;
}

std::vector<std::string> names_of(const Plan& plan) {
    std::vector<std::string> names;
    for (const PlannedTensor& t : plan.tensors) names.push_back(t.name);
    return names;
}

Plan selected(const std::vector<std::string>& names, const Pipeline::Select& rules) {
    return select(plan_of(names), rules, nullptr);
}

CheckpointIndex index_of(const std::vector<std::string>& names) {
    CheckpointIndex index;
    for (const std::string& name : names) index.tensors.push_back({name, DType::f32, {}, {}});
    return index;
}

std::string stripped(const std::string& name) {
    CheckpointIndex index = index_of({name});
    strip_names(index, Pipeline::Select().strip);
    return index.tensors[0].name;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("wrapper prefixes are removed wherever wrappers put them") {
    CHECK(stripped("module.model.norm") == "model.norm");
    CHECK(stripped("module.module._orig_mod.model.norm") == "model.norm");
    CHECK(stripped("_fsdp_wrapped_module.model._fsdp_wrapped_module.layers.0._checkpoint_wrapped_module.mlp") ==
          "model.layers.0.mlp");
    CHECK(stripped("model.layers._orig_mod.0") == "model.layers.0");
}

TEST_CASE("what only looks like a wrapper prefix stays") {
    CHECK(stripped("model.module.weight") == "model.module.weight");
    CHECK(stripped("submodule.weight") == "submodule.weight");
    CHECK(stripped("model.my_orig_mod.weight") == "model.my_orig_mod.weight");
    CHECK(stripped("module.") == "module.");
}

TEST_CASE("renames apply in turn, each to its first match") {
    Pipeline::Select rules;
    rules.rename = {{R"(^backbone\.(.*))", R"(model.\1)"}, {"model", "m"}};
    CHECK(names_of(selected({"backbone.model.w", "other.w"}, rules)) == Names{"m.model.w", "other.w"});
}

TEST_CASE("dropped names are listed with the rule; kept ones stay") {
    Pipeline::Select rules;
    rules.drop = {"inv_freq$"};
    rules.keep = {"^b\\."};
    const Plan plan = selected({"a.inv_freq", "b.inv_freq", "c.w"}, rules);
    CHECK(names_of(plan) == Names{"b.inv_freq", "c.w"});
    REQUIRE(plan.dropped.size() == 1);
    CHECK(plan.dropped[0].name == "a.inv_freq");
    CHECK(plan.dropped[0].why == "[select] drop 'inv_freq$'");
    CHECK(plan.warnings.empty());
}

TEST_CASE("drop patterns see renamed names") {
    Pipeline::Select rules;
    rules.rename = {{"^x\\.", "y."}};
    rules.drop = {"^y\\."};
    CHECK(names_of(selected({"x.w", "z.w"}, rules)) == Names{"z.w"});
}

TEST_CASE("rules that match nothing are warnings") {
    Pipeline::Select rules;
    rules.rename = {{"nope", "x"}};
    rules.drop = {"never"};
    rules.keep = {"nowhere"};
    CHECK(selected({"w"}, rules).warnings == Names{"[select] rename 'nope': matches no tensor",
                                                   "[select] drop 'never': matches no tensor",
                                                   "[select] keep 'nowhere': matches no tensor"});
}

TEST_CASE("two tensors of one name are an error that names both as in the checkpoint") {
    CheckpointIndex index = index_of({"module.w", "w"});
    CHECK(error_of([&] { strip_names(index, {"module."}); }) ==
          "'module.w' and 'w' both become 'w': drop one, or change [select] strip or rename");
}

TEST_CASE("dropping everything is an error") {
    Pipeline::Select rules;
    rules.drop = {"."};
    CHECK(error_of([&] { selected({"w"}, rules); }) == "no tensor is left to write: [select] drops every one");
    CHECK(error_of([&] { selected({}, {}); }) == "the checkpoint holds no tensors");
}

TEST_CASE("bad patterns are usage errors") {
    Pipeline::Select rules;
    rules.keep = {"["};
    CHECK_THROWS_AS(selected({"w"}, rules), UsageError);
    Pipeline::Select empties;
    empties.rename = {{"w", ""}};
    CHECK(error_of([&] { selected({"w"}, empties); }) == "[select] rename 'w': leaves nothing of 'w'");
}
