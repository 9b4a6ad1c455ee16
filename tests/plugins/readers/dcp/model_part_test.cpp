// Which part of a training state is the model.

#include "dcp_checkpoint.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

using Path = std::vector<std::string>;
using Names = std::vector<std::string>;

Path below(Path path, const std::string& name) {
    path.push_back(name);
    return path;
}

/// A model's two weights below `path`.
void add_model(DcpCheckpoint& checkpoint, const Path& path) {
    checkpoint.tensor(below(path, "a.weight"), {2, 3}).tensor(below(path, "b.weight"), {3});
}

/// As torch.optim writes it.
void add_optimizer(DcpCheckpoint& checkpoint, const Path& path) {
    for (const char* name : {"a.weight", "b.weight"}) {
        checkpoint.tensor(below(below(below(path, "state"), name), "exp_avg"), {2, 3});
    }
    checkpoint.object(below(below(below(path, "param_groups"), "0"), "lr"));
}

const Names kModel = {"a.weight", "b.weight"};

}  // namespace

TEST_CASE("dcp: the model is found wherever it hangs") {
    const auto root = GENERATE(values<Path>({{}, {"model"}, {"state_dict"}, {"app", "model"}, {"a.b", "c"}}));
    DcpCheckpoint checkpoint;
    add_model(checkpoint, root);
    add_optimizer(checkpoint, {"optimizer"});
    checkpoint.object({"step"});
    checkpoint.write();
    const CheckpointIndex index = checkpoint.index();
    CHECK(names_of(index) == kModel);
    const Dropped optimizer = {"optimizer", "not of the model: 2 tensors, 1 other value"};
    const Dropped beside = {"step", "not a tensor"}, elsewhere = {"step", "not of the model: no tensors"};
    CHECK(index.dropped == (root.empty() ? std::vector{beside, optimizer} : std::vector{optimizer, elsewhere}));
}

TEST_CASE("dcp: an optimizer is known by its param_groups, whatever it is called") {
    DcpCheckpoint checkpoint;
    add_model(checkpoint, {"app", "net"});
    add_optimizer(checkpoint, {"app", "adam"});
    checkpoint.write();
    CHECK(names_of(checkpoint.index()) == kModel);
    CHECK(checkpoint.index().dropped ==
          std::vector<Dropped>{{"app.adam", "not of the model: 2 tensors, 1 other value"}});
}

TEST_CASE("dcp: an optimizer that was flattened before is known by its name") {
    DcpCheckpoint checkpoint;
    add_model(checkpoint, {});
    checkpoint.tensor({"optimizer", "state.a.weight.exp_avg"}, {2, 3})
        .object({"optimizer", "param_groups.a.weight.lr"});
    checkpoint.tensor({"optim.state.b.weight.exp_avg"}, {3});
    checkpoint.write();
    CHECK(names_of(checkpoint.index()) == kModel);
    CHECK(checkpoint.index().dropped ==
          std::vector<Dropped>{{"optim", "not of the model: 1 tensor"},
                               {"optimizer", "not of the model: 1 tensor, 1 other value"}});
}

TEST_CASE("dcp: weights are not taken for an optimizer's because of their first letters") {
    const auto root = GENERATE(values<Path>({{}, {"model"}, {"optimized_model"}, {"optimus", "net"}}));
    const Names names = {"optimal_transport.weight", "optimus.weight", "optimizer.lstm.weight", "param_groups.weight"};
    DcpCheckpoint checkpoint;
    for (const std::string& name : names) checkpoint.tensor(below(root, name), {2, 3});
    add_optimizer(checkpoint, {"optim_0"});
    checkpoint.write();
    CHECK(names_of(checkpoint.index()) == names);
    std::string joined;
    for (const std::string& key : root) joined += (joined.empty() ? "" : ".") + key;
    CHECK(names_of(checkpoint.index({{"root", joined}})) == names);
}

TEST_CASE("dcp: optimizers in the forms that programs flatten them to are no part of the model") {
    const auto key = GENERATE(values<Path>({{"optimizer.state.exp_avg.decoder.weight"},
                                            {"optimizers", "0", "state", "a.weight", "exp_avg"},
                                            {"optimizer", "a.weight", "exp_avg"},
                                            {"optimizer.distributed.dp_group_idx_0.param"},
                                            {"optim_state_dict", "state", "a.weight", "step_size"}}));
    DcpCheckpoint checkpoint;
    add_model(checkpoint, {});
    checkpoint.tensor(key, {4});
    checkpoint.write();
    CHECK(names_of(checkpoint.index()) == kModel);
    CHECK(names_of(checkpoint.index({{"root", ""}})) == kModel);
}

TEST_CASE("dcp: counters, integers and scalars elsewhere do not look like a model") {
    DcpCheckpoint checkpoint;
    add_model(checkpoint, {"model"});
    checkpoint.tensor({"train_state", "loss"}, {}).tensor({"seed"}, {});
    checkpoint.write();
    CHECK(names_of(checkpoint.index()) == kModel);
}

TEST_CASE("dcp: what is nested beside weights at the top is no weight") {
    DcpCheckpoint checkpoint;
    add_model(checkpoint, {});
    checkpoint.tensor({"train_state", "loss"}, {});
    checkpoint.write();
    CHECK(names_of(checkpoint.index()) == kModel);
    CHECK(checkpoint.index().dropped == std::vector<Dropped>{{"train_state", "not of the model: 1 tensor"}});
}

TEST_CASE(
    "dcp: what is no tensor of the model is left out by name, a tensor of extra state is for the pipeline to drop") {
    DcpCheckpoint checkpoint;
    add_model(checkpoint, {"model"});
    checkpoint.tensor({"model", "a._extra_state"}, {7}).object({"model", "b._extra_state", "scale"});
    checkpoint.object({"model", "version"});
    checkpoint.write();
    CHECK(names_of(checkpoint.index()) == Names{"a.weight", "b.weight", "a._extra_state"});
    CHECK(checkpoint.index().dropped ==
          std::vector<Dropped>{{"version", "not a tensor"}, {"model.b._extra_state", "not of the model: no tensors"}});
}

TEST_CASE("dcp: several parts that look like a model are listed, and one can be named") {
    DcpCheckpoint checkpoint;
    add_model(checkpoint, {"model"});
    add_model(checkpoint, {"ema", "net"});
    checkpoint.tensor({"top.weight"}, {4});
    checkpoint.write();
    CHECK(
        checkpoint.error() ==
        "DIR/.metadata: 3 parts look like a model: '' (the top, 1 weight), 'ema.net' (2 weights), 'model' (2 weights): "
        "choose one of them, or one that holds several, with --set input.root=");
    CHECK(names_of(checkpoint.index({{"root", "ema.net"}})) == kModel);
    CHECK(names_of(checkpoint.index({{"root", "ema"}})) == Names{"net.a.weight", "net.b.weight"});
    CHECK(names_of(checkpoint.index({{"root", "model"}})) == kModel);
}

TEST_CASE("dcp: a root that is asked for takes in all tensors below it but optimizers") {
    DcpCheckpoint checkpoint;
    add_model(checkpoint, {"generator"});
    add_optimizer(checkpoint, {"optim"});
    checkpoint.tensor({"counts"}, {});
    checkpoint.write();
    CHECK(names_of(checkpoint.index({{"root", ""}})) == Names{"generator.a.weight", "generator.b.weight", "counts"});
    CHECK(names_of(checkpoint.index({{"root", "optim"}})) == Names{"state.a.weight.exp_avg", "state.b.weight.exp_avg"});
}

TEST_CASE("dcp: a root that holds no tensor is refused") {
    DcpCheckpoint checkpoint;
    add_model(checkpoint, {"model"});
    checkpoint.write();
    CHECK(checkpoint.error({{"root", "mode"}}) ==
          "DIR/.metadata: there is no tensor below 'mode', which --set input.root names");
    CHECK(checkpoint.error({{"rot", "model"}}) == "unknown option 'rot': known are opaque, root, split_order");
}

TEST_CASE("dcp: a checkpoint of an optimizer alone holds no model") {
    const auto root = GENERATE(values<Path>({{}, {"optimizer"}, {"adam"}}));
    DcpCheckpoint checkpoint;
    add_optimizer(checkpoint, root);
    CHECK(checkpoint.write_and_fail() ==
          "DIR/.metadata: no part of it looks like a model: name the part to convert with --set input.root=");
}

TEST_CASE("dcp: without paths, keys are names at the top") {
    DcpCheckpoint checkpoint;
    checkpoint.tensor({"decoder", "weight"}, {2}).tensor({"optimizer", "state", "exp_avg"}, {2});
    checkpoint.paths.clear();
    checkpoint.write();
    CHECK(names_of(checkpoint.index()) == Names{"decoder.weight"});
}
