#include "model/experts.hpp"
#include "core/models/rules_support.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/random_model.hpp"

#include <array>
#include <numeric>

using namespace unshard;
using namespace unshard::test;

namespace {

/// Two experts of [gate 3; up 3] x 2 and down 2 x 3, and a router that has two names.
constexpr std::string_view kRules = R"(
architectures = ["ToyMoe"]
config.layers  = "num_hidden_layers"
config.experts = "num_experts"
config.ff      = "ff"
config.hidden  = "hidden_size"
prefixes."text." = ""
tensors = [
    { name = "l.{layer}.e.{expert}.gate", shape = ["ff", "hidden"],      split = "column" },
    { name = "l.{layer}.e.{expert}.up",   shape = ["ff", "hidden"],      split = "column" },
    { name = "l.{layer}.e.{expert}.down", shape = ["hidden", "ff"],      split = "row" },
    { name = "l.{layer}.router",          shape = ["experts", "hidden"], split = "replicated" },
    { name = "norm",                      shape = ["hidden"],            split = "replicated" },
]
alternatives = [
    { name = "l.{layer}.gate_up", parts = ["l.{layer}.e.{expert}.gate", "l.{layer}.e.{expert}.up"] },
    { name = "l.{layer}.down",    parts = ["l.{layer}.e.{expert}.down"] },
    { name = "l.{layer}.choice",  parts = ["l.{layer}.router"] },
]
)";

nlohmann::json config_of(std::uint64_t experts, std::uint64_t ff, std::uint64_t hidden) {
    return {{"num_hidden_layers", 1}, {"num_experts", experts}, {"ff", ff}, {"hidden_size", hidden}};
}

struct Model {
    ModelRules rules = rules_of(kRules);
    Values values;
    explicit Model(const nlohmann::json& config = config_of(2, 3, 2)) : values(config_values(rules, config)) {}
    Plan separate(const PlannedTensor& tensor) const { return separate_experts({{tensor}, {}, {}}, rules, values); }
    Plan stack(std::vector<PlannedTensor> tensors) const {
        return stack_experts({std::move(tensors), {}, {}}, rules, values);
    }
};

/// A copy from shard `shard`, contiguous in it.
Copy copy_of(std::uint32_t shard, const Box& box) {
    return {0, shard, 0, contiguous_strides(box.extent), box};
}

PlannedTensor whole(const std::string& name, const Dims& shape, std::vector<Copy> copies) {
    return {name, DType::f32, shape, shape, std::move(copies), {}, true};
}

std::vector<std::string> names_of(const Plan& plan) {
    std::vector<std::string> names;
    for (const PlannedTensor& t : plan.tensors) names.push_back(t.name);
    return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("experts that were distributed over ranks are cut from the rank that holds them") {
    const Plan plan = Model().separate(
        whole("l.0.gate_up", {2, 6, 2}, {copy_of(0, {{0, 0, 0}, {1, 6, 2}}), copy_of(1, {{1, 0, 0}, {1, 6, 2}})}));
    CHECK(names_of(plan) == Names{"l.0.e.0.gate", "l.0.e.0.up", "l.0.e.1.gate", "l.0.e.1.up"});
    Copy up{0, 1, 6, {2, 1}, {{0, 0}, {3, 2}}};
    CHECK(plan.tensors[3] == whole("l.0.e.1.up", {3, 2}, {up}));
}

TEST_CASE("a split inside of the experts cuts each of them") {
    const Plan plan = Model().separate(
        whole("l.0.gate_up", {2, 6, 2}, {copy_of(0, {{0, 0, 0}, {2, 4, 2}}), copy_of(1, {{0, 4, 0}, {2, 2, 2}})}));
    const Copy first{0, 0, 8, {2, 1}, {{0, 0}, {3, 2}}};
    CHECK(plan.tensors[2] == whole("l.0.e.1.gate", {3, 2}, {first}));
    const Copy last_row_of_0{0, 0, 14, {2, 1}, {{0, 0}, {1, 2}}};
    const Copy from_1{0, 1, 4, {2, 1}, {{1, 0}, {2, 2}}};
    CHECK(plan.tensors[3] == whole("l.0.e.1.up", {3, 2}, {last_row_of_0, from_1}));
}

TEST_CASE("what is no expert stays, a router takes its other name, and the model's prefix is kept") {
    const Model model;
    const auto renamed = [&](const Plan& plan) { return names_of(plan); };
    const std::vector<PlannedTensor> memory = {whole("text.norm", {2}, {}), whole("text.l.0.choice", {2, 2}, {}),
                                               whole("text.l.0.down", {2, 2, 3}, {}), whole("other", {9}, {})};
    const Plan disk = separate_experts({memory, {}, {}}, model.rules, model.values);
    CHECK(renamed(disk) == Names{"text.norm", "text.l.0.router", "text.l.0.e.0.down", "text.l.0.e.1.down", "other"});
    CHECK(stack_experts(disk, model.rules, model.values).tensors == memory);
    CHECK(separate_experts(disk, model.rules, model.values) == disk);
}

TEST_CASE("a stacked tensor is only as sure of its replicas as the least sure part") {
    std::vector<PlannedTensor> parts = Model().separate(whole("l.0.down", {2, 2, 3}, {})).tensors;
    parts[1].replicas_stated = false;
    CHECK_FALSE(Model().stack(parts).tensors.front().replicas_stated);
}

TEST_CASE("experts that do not fit together are refused by name") {
    const Model model;
    const auto refused = [&](std::vector<PlannedTensor> parts) { return error_of([&] { model.stack(parts); }); };
    const std::vector<PlannedTensor> parts = model.separate(whole("l.0.gate_up", {2, 6, 2}, {})).tensors;
    CHECK(refused({parts[0], parts[1], parts[3]}) ==
          "'l.0.gate_up': 1 of its 4 parts are missing, 'l.0.e.1.gate' among them: it cannot be stacked");
    std::vector<PlannedTensor> changed = parts;
    changed[2].dtype = DType::bf16;
    CHECK(refused(changed) == "'l.0.e.1.gate' is bf16, 'l.0.e.1.up' is f32: they cannot become one tensor");
    changed = parts;
    changed[2].is_sum = true;
    CHECK(refused(changed) ==
          "'l.0.e.1.gate' and 'l.0.e.1.up' are not sums of the same kind: they cannot become one tensor");
    changed = parts;
    changed[1].shape = changed[1].view = {2, 2};
    CHECK(refused(changed) == "'l.0.e.0.up': its shape is (2, 2), config.json makes it (3, 2): it cannot be stacked");
    changed = parts;
    changed[3].view = {6, 1};
    CHECK(
        refused(changed) ==
        "'l.0.e.1.gate' is merged through the view (3, 2), 'l.0.e.1.up' through (6, 1): they cannot become one tensor");
    changed = parts;
    changed[3].name = "l.0.e.2.up";
    CHECK(refused(changed) == "'l.0.e.2.up': config.json makes 2 experts: they cannot be stacked");
}

TEST_CASE("a stacked tensor of another shape, or in a view that cuts through an expert, is refused") {
    const Model model;
    const auto refused = [&](const PlannedTensor& tensor) { return error_of([&] { model.separate(tensor); }); };
    CHECK(refused(whole("l.0.down", {2, 3, 2}, {})) ==
          "'l.0.down': its experts cannot be separated: its shape is (2, 3, 2), config.json makes it (2, 2, 3)");
    PlannedTensor viewed = whole("l.0.down", {2, 2, 3}, {});
    viewed.view = {3, 4};
    CHECK(refused(viewed) ==
          "'l.0.down': its experts cannot be separated: the box (0, 0, 0) + (1, 2, 3) of the view (2, 2, 3) is cut by "
          "the merger's view (3, 4)");
}

TEST_CASE("a form that cannot be made says what is missing") {
    const auto refused = [](const nlohmann::json& config, const std::string& models) {
        const KnownModel known{find_rules(ModelFiles({models}), config), {models}};
        return error_of([&] { with_experts({}, "stacked", config, known); });
    };
    CHECK(refused(nullptr, bundled_models()) ==
          "experts = 'stacked': there is no config.json to say which model this is (pass --assets DIR): with 'keep' "
          "they are written as they are");
    CHECK(refused({{"architectures", {"ToyMoe"}}}, bundled_models()) ==
          "experts = 'stacked': no file in " + bundled_models() +
              " is for the architectures [\"ToyMoe\"] of config.json: with 'keep' they are written as they are");
    CHECK(refused({{"architectures", {"GptOssForCausalLM"}}}, bundled_models()) ==
          "experts = 'stacked': " + bundled_models() +
              "/gpt_oss.toml has no 'alternatives' that stack the tensors of an {expert}: with 'keep' they are "
              "written as they are");
    CHECK(with_experts({}, "keep", nullptr, {}) == Plan{});
}

namespace {

/// Where each element comes from, in row-major order: shard and element; -1 for nowhere.
using Origins = std::vector<std::pair<std::int64_t, std::uint64_t>>;

Origins origins_of(const PlannedTensor& tensor, const std::vector<Copy>& copies) {
    Origins origins(tensor.view.numel(), {-1, 0});
    const Dims strides = contiguous_strides(tensor.view);
    for (const Copy& copy : copies) {
        const Dims inside = contiguous_strides(copy.box.extent);
        for (std::uint64_t n = 0; n < copy.box.extent.numel(); ++n) {
            std::uint64_t target = 0, source = copy.first;
            for (std::size_t i = 0; i < inside.rank(); ++i) {
                const std::uint64_t at = n / inside[i] % copy.box.extent[i];
                target += (copy.box.origin[i] + at) * strides[i];
                source += at * copy.stride[i];
            }
            CHECK(origins[target].first == -1);
            origins[target] = {copy.shard, source};
        }
    }
    return origins;
}

Origins origins_of(const std::vector<PlannedTensor>& parts, std::vector<Copy> PlannedTensor::* list) {
    Origins all;
    for (const PlannedTensor& part : parts) {
        const Origins origins = origins_of(part, part.*list);
        all.insert(all.end(), origins.begin(), origins.end());
    }
    return all;
}

/// The whole cut at random, each box from a shard of its own; some are left out.
std::vector<Copy> random_copies(Random& random, const Dims& view, std::uint64_t left_out) {
    std::vector<Box> boxes = {Box::whole(view)};
    for (std::uint64_t cuts = random.up_to(6); cuts > 0; --cuts) {
        Box& box = boxes[random.up_to(boxes.size() - 1)];
        const std::size_t axis = random.up_to(view.rank() - 1);
        Box rest = box;
        box.extent[axis] = random.up_to(box.extent[axis]);
        rest.origin[axis] += box.extent[axis];
        rest.extent[axis] -= box.extent[axis];
        boxes.push_back(rest);
    }
    std::vector<Copy> copies;
    for (const Box& box : boxes) {
        if (left_out != 0 && random.one_in(left_out)) continue;
        Copy copy = copy_of(static_cast<std::uint32_t>(copies.size()), box);
        copy.first = random.up_to(5);
        for (std::size_t i = 0; i < view.rank(); ++i) copy.stride[i] *= 1 + random.up_to(2);
        copies.push_back(copy);
    }
    return copies;
}

/// Views in which every part is a box.
Dims random_view(Random& random, std::uint64_t experts, std::uint64_t ff, std::uint64_t hidden) {
    return random.of<Dims>({{experts, 2 * ff, hidden},
                            {experts * 2 * ff, hidden},
                            {experts, 2, ff, hidden},
                            {experts * 2, ff * hidden},
                            {1, experts, 2 * ff * hidden},
                            {experts, 2 * ff, 1, hidden}});
}

}  // namespace

TEST_CASE("each element and its replica come from where they came from, in either form and back") {
    for (std::uint64_t seed = 0; seed < 2000; ++seed) {
        Random random(seed);
        const std::uint64_t experts = 1 + random.up_to(4), ff = 1 + random.up_to(4), hidden = 1 + random.up_to(3);
        const Model model(config_of(experts, ff, hidden));
        PlannedTensor tensor = whole("l.0.gate_up", {experts, 2 * ff, hidden}, {});
        tensor.view = random_view(random, experts, ff, hidden);
        tensor.copies = random_copies(random, tensor.view, 0);
        tensor.replicas = random_copies(random, tensor.view, 2);
        CAPTURE(seed, experts, ff, hidden, to_string(tensor.view));
        const std::vector<PlannedTensor> parts = model.separate(tensor).tensors;
        REQUIRE(parts.size() == experts * 2);
        const std::vector<PlannedTensor> again = model.stack(parts).tensors;
        REQUIRE(again.size() == 1);
        CHECK(again[0].shape == tensor.shape);
        for (const auto list : {&PlannedTensor::copies, &PlannedTensor::replicas}) {
            const Origins expected = origins_of(tensor, tensor.*list);
            REQUIRE(origins_of(parts, list) == expected);
            REQUIRE(origins_of(again[0], again[0].*list) == expected);
        }
    }
}
