#include "plugins/formats/torch/saved_bytes.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

std::vector<std::string> names(const torch::StateDict& dict) {
    std::vector<std::string> all;
    for (const SourceTensor& tensor : dict.tensors) all.push_back(tensor.name);
    return all;
}

using Names = std::vector<std::string>;

const std::vector<std::string> kData = {"1234"};

pickle::Code nested() {
    return pickle::dict(
        {{"step", pickle::integer(3)},
         {"state", pickle::dict({{"model", state_dict({{"b", floats("0", {1})}, {"a", floats("0", {1})}})}})}});
}

}  // namespace

TEST_CASE("tensors come in the order of the file, with the rank that saved them") {
    const torch::StateDict dict =
        read_bytes(torch_file(state_dict({{"b", floats("0", {1})}, {"a", floats("0", {1})}}), kData),
                   {.rank = 5, .root = "", .opaque = {}});
    CHECK(names(dict) == Names{"b", "a"});
    CHECK(dict.tensors[1].shards.at(0).rank == 5);
}

TEST_CASE("a plain dictionary is a state dict too, and _metadata in its state is none of ours") {
    CHECK(names(read_bytes(torch_file(pickle::dict({{"w", floats("0", {1})}}), kData))) == Names{"w"});
    const pickle::Code with_metadata = state_dict({{"w", floats("0", {1})}}) +
                                       pickle::dict({{"_metadata", state_dict({{"", pickle::dict({})}})}}) + "b";
    CHECK(names(read_bytes(torch_file(with_metadata, kData))) == Names{"w"});
}

TEST_CASE("what is no tensor is left out and listed") {
    const torch::StateDict dict = read_bytes(torch_file(state_dict({{"w", floats("0", {1})},
                                                                    {"n", pickle::integer(1)},
                                                                    {"d", pickle::dict({})},
                                                                    {"o", pickle::object("my.Config")},
                                                                    {"f", pickle::call("my.make", {})},
                                                                    {"_extra_state", pickle::object("_io.BytesIO")}}),
                                                        kData),
                                             {.rank = 0, .root = "", .opaque = {"my.Config", "my.make"}});
    std::vector<std::pair<std::string, std::string>> dropped;
    for (const Dropped& item : dict.dropped) dropped.emplace_back(item.name, item.why);
    CHECK(dropped ==
          std::vector<std::pair<std::string, std::string>>{{"n", "not a tensor but an integer"},
                                                           {"d", "not a tensor but a dictionary"},
                                                           {"o", "not a tensor but an object of class 'my.Config'"},
                                                           {"f", "not a tensor but what 'my.make' gives"},
                                                           {"_extra_state", "extra state of a module, no weight"}});
}

TEST_CASE("values of unknown classes are refused all at once, with what leaves them out") {
    const pickle::Items items = {{"w", floats("0", {1})},
                                 {"a", pickle::object("my.Config")},
                                 {"b", pickle::object("my.Config")},
                                 {"c", pickle::call("numpy.core.multiarray._reconstruct", {})}};
    const std::string bytes = torch_file(state_dict(items), kData);
    CHECK(read_error(bytes) ==
          "'a' is an object of class 'my.Config', 'c' is what 'numpy.core.multiarray._reconstruct' gives: that is not "
          "known, nothing from a pickle is run, and it may be a weight: if it is none, leave it out with --opaque "
          "my.Config --opaque numpy.core.multiarray._reconstruct");
    CHECK(names(read_bytes(bytes,
                           {.rank = 0, .root = "", .opaque = {"my.Config", "numpy.core.multiarray._reconstruct"}})) ==
          Names{"w"});
}

TEST_CASE("no option is offered that would leave out a tensor") {
    const auto error = [](const pickle::Code& value) {
        return read_error(torch_file(state_dict({{"w", floats("0", {1})}, {"x", value}}), kData));
    };
    const std::string cure =
        ": that is not known, nothing from a pickle is run, and it may be a weight: save tensors in "
        "its place";
    CHECK(error(pickle::built("my.Weight", {{"data", floats("0", {1})}})) ==
          "'x' is an object of class 'my.Weight'" + cure);
    CHECK(error(pickle::call("my.weight", {pickle::list({pickle::tuple({floats("0", {1})})})})) ==
          "'x' is what 'my.weight' gives" + cure);
    CHECK(error(pickle::call("torch.nn.parameter.Parameter", {floats("0", {1}), pickle::boolean(false)})) ==
          "'x' is made by 'torch.nn.parameter.Parameter' in another way than PyTorch does" + cure);
    CHECK(error(pickle::call("torch.Tensor", {}) + pickle::tuple({storage("FloatStorage", "0", 1)}) + "b") ==
          "'x' is made by 'torch.Tensor' in another way than PyTorch does" + cure);
    CHECK(error(pickle::call("collections.OrderedDict", {pickle::list({})})) ==
          "'x' is made by 'collections.OrderedDict' in another way than PyTorch does" + cure);
    CHECK(error(pickle::integer(1) + ")R") == "'x' is what a value gives that is no class or function" + cure);
    for (const std::string function : {"builtins.getattr", "functools.partial", "operator.attrgetter",
                                       "torch._utils._rebuild_device_tensor_from_numpy"}) {
        CHECK(error(pickle::call(function, {pickle::none()})) == "'x' is what '" + function + "' gives" + cure);
    }
    CHECK(error(pickle::call("builtins.set", {pickle::list({})})).ends_with("leave it out with --opaque builtins.set"));
    CHECK(error(pickle::list({})).empty());
    const pickle::Items two = {{"w", floats("0", {1})},
                               {"x", pickle::object("my.Weight")},
                               {"y", pickle::built("my.Weight", {{"data", floats("0", {1})}})}};
    CHECK(read_error(torch_file(state_dict(two), kData)) == "'x' is an object of class 'my.Weight'" + cure);
}

TEST_CASE("what lies beside the state dict may be of any class") {
    const pickle::Code model =
        state_dict({{"w", floats("0", {1})}, {"steps", pickle::list({pickle::object("my.Step")})}});
    const std::string bytes =
        torch_file(pickle::dict({{"rng", pickle::call("numpy.random._pickle.__randomstate_ctor", {})},
                                 {"args", pickle::object("argparse.Namespace")},
                                 {"model", model}}),
                   kData);
    CHECK(names(read_bytes(bytes, {.rank = 0, .root = "model", .opaque = {}})) == Names{"w"});
}

TEST_CASE("items in the constructor of a state dict are not passed over") {
    const pickle::Code pairs = pickle::list({pickle::tuple({pickle::text("lost"), floats("0", {1})})});
    for (const pickle::Code& made : {pickle::call("collections.OrderedDict", {pairs}),
                                     pickle::call("collections.defaultdict", {pickle::none(), pairs})}) {
        CHECK(read_error(torch_file(made + pickle::set_items({{"w", floats("0", {1})}}), kData))
                  .ends_with("in another way than PyTorch does, not a state dict"));
    }
}

TEST_CASE("the option root leads to a nested state dict") {
    const std::string bytes = torch_file(nested(), kData);
    CHECK(names(read_bytes(bytes, {.rank = 0, .root = "state.model", .opaque = {}})) == Names{"b", "a"});
    CHECK(read_error(bytes, {.rank = 0, .root = "state.models", .opaque = {}}) ==
          "there is no tensor below 'state.models', which --set input.root names");
    CHECK(read_error(bytes, {.rank = 0, .root = "step", .opaque = {}}) ==
          "there is no tensor below 'step', which --set input.root names");
}

TEST_CASE("the dictionary of the weights is found, and what lies beside it is listed") {
    const torch::StateDict dict = read_bytes(torch_file(nested(), kData));
    CHECK(dict.root == "state.model");
    CHECK(names(dict) == Names{"b", "a"});
    CHECK(dict.dropped == std::vector<Dropped>{{"step", "not of the model: an integer"}});
    const pickle::Code model = state_dict({{"w", floats("0", {1})}});
    CHECK(read_error(torch_file(pickle::dict({{"model", model}, {"ema", model}}), kData)) ==
          "2 parts look like a model: 'ema' (1 weight), 'model' (1 weight): choose one of them, or one that holds "
          "several, with --set input.root=");
}

TEST_CASE("an optimizer's tensors are no model, whatever form its state has") {
    const pickle::Code state = "}" + pickle::integer(0) + pickle::dict({{"exp_avg", floats("0", {1})}}) + "s";
    const pickle::Code optimizer = pickle::dict({{"state", state}, {"param_groups", pickle::list({})}});
    const auto beside = [&](const std::string& name, const pickle::Code& value) {
        return torch_file(pickle::dict({{"net", state_dict({{"w", floats("0", {1})}})}, {name, value}}), kData);
    };
    CHECK(read_bytes(beside("optimizer", optimizer)).dropped ==
          std::vector<Dropped>{{"optimizer", "not of the model: 1 tensor, 1 other value"}});
    CHECK(read_bytes(beside("adam", optimizer)).root == "net");
    CHECK(read_bytes(beside("optimizer_states", pickle::list({optimizer}))).dropped ==
          std::vector<Dropped>{{"optimizer_states", "not of the model: a list"}});
    CHECK(read_error(torch_file(pickle::dict({{"optimizer", optimizer}}), kData))
              .starts_with("no part of it looks like a model"));
}

TEST_CASE("where all tensors lie at the top they are the state dict, whatever their types") {
    const pickle::Code counts = strided(storage("IntStorage", "0", 1), 0, {}, {});
    CHECK(names(read_bytes(torch_file(state_dict({{"n", counts}, {"step", pickle::integer(1)}}), kData))) ==
          Names{"n"});
    CHECK(read_error(torch_file(pickle::dict({{"n", counts}, {"model", pickle::dict({{"n", counts}})}}), kData))
              .starts_with("no part of it looks like a model"));
}

TEST_CASE("a model that was saved as an object is not passed over for what lies beside it") {
    const pickle::Code module = pickle::built("my.Net", {{"weight", floats("0", {1})}});
    const pickle::Code model = state_dict({{"w", floats("0", {1})}});
    const std::string why =
        "' is an object of class 'my.Net': that is not known, nothing from a pickle is run, and there are tensors in "
        "it, "
        "which may be the weights: save the model's state_dict() in its place";
    CHECK(read_error(torch_file(pickle::dict({{"anything", module}, {"step", pickle::integer(1)}}), kData)) ==
          "'anything" + why);
    CHECK(read_error(torch_file(pickle::dict({{"ema", model}, {"model", module}}), kData)) ==
          "'model" + why + ", or name the part to convert with --set input.root=");
    CHECK(read_bytes(torch_file(pickle::dict({{"hyper_parameters", module}, {"model", model}}), kData)).root ==
          "model");
    CHECK(read_bytes(torch_file(pickle::dict({{"ema", model}, {"model", pickle::object("my.Config")}}), kData)).root ==
          "ema");
    CHECK(read_error(torch_file(module, kData)) ==
          "the file is an object of class 'my.Net', not a state dict: save the model's state_dict(), not the model "
          "itself");
}

TEST_CASE("dictionaries that contain each other are read to an end") {
    std::string code = pickle::dict({{"w", floats("0", {1})}}) + pickle::put(0) + "0";
    for (std::uint8_t i = 0; i < 40; ++i) {
        code += pickle::dict({{"a", pickle::get(i)}, {"b", pickle::get(i)}}) + pickle::put(i + 1) + "0";
    }
    CHECK(read_error(torch_file(code + pickle::get(40), kData)) ==
          "its dictionaries contain each other so often that no program can have saved them");
}

TEST_CASE("keys must be texts, each once") {
    CHECK(read_error(torch_file("}" + pickle::integer(1) + floats("0", {1}) + "s", kData)) ==
          "a key of the state dict is an integer, not a text");
    CHECK(read_error(torch_file(state_dict({{"w", floats("0", {1})}, {"w", floats("0", {1})}}), kData)) ==
          "'w' is there twice");
    CHECK(read_error(torch_file(pickle::dict({{"model", pickle::dict({{"w", floats("0", {1})}})},
                                              {"model", pickle::dict({{"v", floats("0", {1})}})}}),
                                kData),
                     {.rank = 0, .root = "model", .opaque = {}}) == "'model' is there twice");
}

TEST_CASE("a file that holds no state dict is refused") {
    CHECK(read_error(torch_file(pickle::list({}), {})) == "the file is a list, not a state dict");
    CHECK(read_error(torch_file(state_dict({}), {})) == "there is no tensor in it");
}

TEST_CASE("flat parameters are refused, which do not state what is in them") {
    const std::string cure =
        "' is a flat parameter, as FSDP saves with LOCAL_STATE_DICT: the names and shapes of the tensors in it are not "
        "stored: load it in the training program and save it with SHARDED_STATE_DICT or FULL_STATE_DICT";
    for (const std::string name : {"_flat_param", "model.layers.0._flat_param", "module.flat_param"}) {
        const auto both = state_dict({{"w", floats("0", {1})}, {name, floats("0", {1})}});
        CHECK(read_error(torch_file(both, kData)) == "'" + name + cure);
    }
}
