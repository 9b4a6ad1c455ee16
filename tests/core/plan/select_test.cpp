#include "plan/select.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"

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
    index.is_training_state = true;
    return index;
}

/// What the merger gets to see.
CheckpointIndex selected_index(const std::vector<std::string>& names, const Pipeline::Select& rules) {
    CheckpointIndex index = index_of(names);
    Selection(rules).before_merge(index);
    return index;
}

Plan after_merge(Selection& selection, Plan plan) {
    nlohmann::json changes = nlohmann::json::object();
    return selection.after_merge(std::move(plan), nullptr, nullptr, changes);
}

Plan selected(const std::vector<std::string>& names, const Pipeline::Select& rules) {
    CheckpointIndex index = index_of(names);
    Selection selection(rules);
    selection.before_merge(index);
    return after_merge(selection, plan_of(index));
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

TEST_CASE("'module.' is a wrapper's only when all names begin with it") {
    CheckpointIndex index = index_of({"module.w", "_orig_mod.module.v"});
    Selection all({});
    all.before_merge(index);
    CHECK(index.tensors[0].name == "w");
    CHECK(index.tensors[1].name == "v");
    CHECK(all.name_changes() ==
          Names{"'_orig_mod.' was taken off 1 of 2 names", "'module.' was taken off 2 of 2 names"});
    index = index_of({"module.w", "head.w"});
    Selection some({});
    some.before_merge(index);
    CHECK(index.tensors[0].name == "module.w");
    CHECK(some.name_changes().empty());
}

TEST_CASE("in what no training code wrote, names stay as they are unless a prefix is named") {
    CheckpointIndex index = index_of({"module.w", "enc._orig_mod.v"});
    index.is_training_state = false;
    const CheckpointIndex before = index;
    Selection({}).before_merge(index);
    CHECK(index == before);
    Pipeline::Select rules;
    rules.strip = {"module.", "auto"};
    Selection(rules).before_merge(index);
    CHECK(index.tensors[0].name == "w");
    CHECK(index.tensors[1].name == "enc._orig_mod.v");
}

TEST_CASE("a prefix that is repeated a million times is taken off in linear time") {
    std::string name;
    for (int i = 0; i < 1'000'000; ++i) name += "_orig_mod.";
    CHECK(stripped(name + "w") == "w");
    CHECK(stripped("a." + name + "w") == "a.w");
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

TEST_CASE("what modules keep beside their weights is left out, and said, unless it is kept") {
    const Plan plan = selected({"a._extra_state", "a.w", "_extra_state", "my_extra_state"}, {});
    CHECK(names_of(plan) == Names{"a.w", "my_extra_state"});
    REQUIRE(plan.dropped.size() == 2);
    CHECK(plan.dropped[0].name == "a._extra_state");
    CHECK(plan.dropped[0].why == "what a module keeps beside its weights (get_extra_state)");
    Pipeline::Select rules;
    rules.keep = {"_extra_state$"};
    CHECK(names_of(selected({"a._extra_state", "a.w"}, rules)) == Names{"a._extra_state", "a.w"});
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
    CHECK(selected_index({"module.backbone.w", "module.value_head.weight"}, rules) == index_of({"model.w"}));
}

TEST_CASE("what the merger made can be dropped too, and a rule that matched only there is not idle") {
    Pipeline::Select rules;
    rules.drop = {"q_proj", "head"};
    CheckpointIndex index = index_of({"qkv_proj", "head"});
    Selection selection(rules);
    selection.before_merge(index);
    const Plan plan = after_merge(selection, plan_of(index_of({"q_proj", "k_proj", "v_proj"})));
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
    CHECK(error_of([] { selected({"_orig_mod.w", "w"}, {}); }) ==
          "'_orig_mod.w' and 'w' both become 'w': drop one, or change what --strip or --rename does");
    Pipeline::Select rules;
    rules.rename = {{"^a$", "w"}};
    CHECK(error_of([&] { selected({"_orig_mod.a", "w"}, rules); }) ==
          "'_orig_mod.a' and 'w' both become 'w': drop one, or change what --strip or --rename does");
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
