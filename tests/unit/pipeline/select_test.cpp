#include "select/select.hpp"
#include "support/catch.hpp"
#include "unit/engine/error_text.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

/// As a merger makes it that takes each tensor as it is.
Plan plan_of(const CheckpointIndex& index) {
    Plan plan;
    for (const SourceTensor& t : index.tensors) plan.tensors.push_back({t.name, DType::f32, {2}, {2}, {}, {}, true});
    return plan;
}

std::vector<std::string> names_of(const Plan& plan) {
    std::vector<std::string> names;
    for (const PlannedTensor& t : plan.tensors) names.push_back(t.name);
    return names;
}

CheckpointIndex index_of(const std::vector<std::string>& names) {
    CheckpointIndex index;
    for (const std::string& name : names) index.tensors.push_back({name, DType::f32, {}, {}});
    return index;
}

/// What the merger gets to see.
CheckpointIndex selected_index(const std::vector<std::string>& names, const Pipeline::Select& rules) {
    CheckpointIndex index = index_of(names);
    Selection(rules).before_merge(index);
    return index;
}

Plan selected(const std::vector<std::string>& names, const Pipeline::Select& rules) {
    CheckpointIndex index = index_of(names);
    Selection selection(rules);
    selection.before_merge(index);
    return selection.after_merge(plan_of(index), nullptr);
}

std::string stripped(const std::string& name) {
    return selected_index({name}, {}).tensors[0].name;
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

TEST_CASE("the merger sees new names, and nothing that was dropped") {
    Pipeline::Select rules;
    rules.rename = {{"^backbone\\.", "model."}};
    rules.drop = {"value_head"};
    CHECK(selected_index({"module.backbone.w", "value_head.weight"}, rules) == index_of({"model.w"}));
}

TEST_CASE("what the merger made can be dropped too, and a rule that matched only there is not idle") {
    Pipeline::Select rules;
    rules.drop = {"q_proj", "head"};
    CheckpointIndex index = index_of({"qkv_proj", "head"});
    Selection selection(rules);
    selection.before_merge(index);
    const Plan plan = selection.after_merge(plan_of(index_of({"q_proj", "k_proj", "v_proj"})), nullptr);
    CHECK(names_of(plan) == Names{"k_proj", "v_proj"});
    CHECK(plan.dropped == std::vector<Dropped>{{"head", "[select] drop 'head'"}, {"q_proj", "[select] drop 'q_proj'"}});
    CHECK(plan.warnings.empty());
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
    CHECK(error_of([] { selected({"module.w", "w"}, {}); }) ==
          "'module.w' and 'w' both become 'w': drop one, or change [select] strip or rename");
    Pipeline::Select rules;
    rules.rename = {{"^a$", "w"}};
    CHECK(error_of([&] { selected({"module.a", "w"}, rules); }) ==
          "'module.a' and 'w' both become 'w': drop one, or change [select] strip or rename");
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
