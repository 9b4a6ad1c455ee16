#include "formats/torch/allow_list.hpp"

#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/pickle_builder.hpp"

using namespace unshard;
using namespace unshard::test;
using namespace unshard::test::pickle;
using torch::Symbol;

namespace {

Symbol symbol_of(const Code& value, const std::vector<std::string>& opaque = {}) {
    const torch::Pickle parsed = torch::parse_pickle(pickle::file(value));
    return torch::check_allowed(parsed, "'p'", opaque)[parsed.root];
}

std::string refusal(const Code& value, const std::vector<std::string>& opaque = {}) {
    return error_of([&] { symbol_of(value, opaque); });
}

}  // namespace

TEST_CASE("what is not on the list is unknown, and inert when it is let through by name") {
    CHECK(symbol_of(call("my.code.make", {text("x")})) == Symbol::unknown);
    CHECK(symbol_of(call("my.code.make", {text("x")}), {"my.code.make"}) == Symbol::inert);
    CHECK(symbol_of(object("my.code.Config")) == Symbol::unknown);
    CHECK(symbol_of(object("my.code.Config"), {"my.code.Config"}) == Symbol::inert);
}

TEST_CASE("a call that would start a program in Python is refused, with no word on how to let it through") {
    const std::string why =
        ", which Python would run when it loads the file; unshard runs nothing of it, and does not believe the rest: "
        "get the checkpoint from where it was trained";
    for (const std::string name :
         {"os.system", "posix.system", "subprocess.Popen", "builtins.eval", "__builtin__.exec",
          "importlib.util.find_spec", "io.open", "pickle.loads", "torch.hub.load", "_io.FileIO"}) {
        CHECK(refusal(call(name, {text("x")})) == "'p' calls '" + name + "'" + why);
        CHECK(refusal(list({object(name), none()})) == "'p' calls '" + name + "'" + why);
        CHECK(symbol_of(call(name, {text("x")}), {name}) == Symbol::inert);
    }
    CHECK(symbol_of(call("builtins.set", {list({})})) == Symbol::unknown);
    CHECK(symbol_of(call("ospf.connect", {})) == Symbol::unknown);
    CHECK(symbol_of(call("torch.hubs.load", {})) == Symbol::unknown);
}

TEST_CASE("what the pickle throws away is checked too") {
    CHECK(refusal(call("os.system", {}) + "0" + none()).starts_with("'p' calls 'os.system'"));
}

TEST_CASE("a known class or function in another form than PyTorch writes is unknown") {
    const Code empty = call("collections.OrderedDict", {});
    CHECK(symbol_of(empty) == Symbol::mapping);
    CHECK(symbol_of(empty + dict({{"_metadata", none()}}) + "b") == Symbol::mapping);
    CHECK(symbol_of(call("collections.OrderedDict", {list({})})) == Symbol::unknown);
    CHECK(symbol_of(empty + list({none()}) + "b") == Symbol::unknown);
    CHECK(symbol_of(empty + none() + "a") == Symbol::unknown);
    CHECK(symbol_of(call("collections.defaultdict", {none()})) == Symbol::mapping);
    CHECK(symbol_of(call("collections.defaultdict", {none(), dict({})})) == Symbol::unknown);
    CHECK(symbol_of(call("torch.Tensor", {})) == Symbol::unknown);
    CHECK(symbol_of(call("torch.nn.parameter.Parameter", {none(), boolean(false)})) == Symbol::unknown);
    CHECK(symbol_of(call("torch._utils._rebuild_parameter", {none()})) == Symbol::unknown);
    CHECK(symbol_of(call("torch.Size", {tuple({})})) == Symbol::size);
    CHECK(symbol_of(object("torch.Size", {tuple({})})) == Symbol::unknown);
    CHECK(symbol_of(global("torch.Size") + list({}) + "R") == Symbol::unknown);
    const Code placement = object("torch.distributed.tensor.placement_types.Shard");
    CHECK(symbol_of(placement + dict({}) + "b") == Symbol::shard);
    CHECK(symbol_of(placement + tuple({none(), dict({})}) + "b") == Symbol::shard);
    CHECK(symbol_of(placement + integer(1) + "b") == Symbol::unknown);
    CHECK(symbol_of(global("torch.distributed.tensor.placement_types.Shard") + ")}\x92") == Symbol::unknown);
}

TEST_CASE("a class or function that is only mentioned is no harm") {
    CHECK(symbol_of(global("os.system")) == Symbol::other);
    CHECK(symbol_of(global("torch.bfloat16")) == Symbol::other);
}

TEST_CASE("the classes of DTensor are known in every module that has held them") {
    CHECK(symbol_of(global("torch.distributed.tensor.DTensor")) == Symbol::dtensor);
    CHECK(symbol_of(global("torch.distributed._tensor.api.DTensor")) == Symbol::dtensor);
    CHECK(symbol_of(global("torch.distributed.tensor._dtensor_spec.DTensorSpec")) == Symbol::dtensor_spec);
    CHECK(symbol_of(global("torch.distributed._tensor.placement_types.DTensorSpec")) == Symbol::dtensor_spec);
    CHECK(symbol_of(global("torch.distributed.device_mesh.DeviceMesh")) == Symbol::device_mesh);
    CHECK(symbol_of(global("torch.distributed._tensor.device_mesh.DeviceMesh")) == Symbol::device_mesh);
    CHECK(symbol_of(global("torch.distributed.tensorflow.DTensor")) == Symbol::other);
}

TEST_CASE("a placement is not taken for another class of its name") {
    CHECK(symbol_of(global("torch.distributed.tensor.placement_types.Shard")) == Symbol::shard);
    CHECK(symbol_of(global("torch.distributed._shard.sharded_tensor.shard.Shard")) == Symbol::local_shard);
}

TEST_CASE("getattr of a class and a name is that nested class, and nothing else") {
    const std::string outer = "torch.distributed._shard.sharded_tensor.api.ShardedTensor";
    const Code inner = call("__builtin__.getattr", {global(outer), text("ProcessGroupState")});
    CHECK(symbol_of(inner + ")\x81") == Symbol::process_group_state);
    CHECK(refusal(call("__builtin__.getattr", {global("os.path"), text("join")}) + ")R")
              .starts_with("'p' calls 'os.path.join', which Python would run"));
    CHECK(symbol_of(call("__builtin__.getattr", {text("os"), text("system")})) == Symbol::unknown);
}

TEST_CASE("a call of the result of a call is unknown") {
    CHECK(symbol_of(call("collections.OrderedDict", {}) + ")R") == Symbol::unknown);
    CHECK(symbol_of(integer(3) + ")R") == Symbol::unknown);
}

TEST_CASE("a name in a message is short and printable") {
    CHECK(refusal(call("os." + std::string(900, 'x'), {}))
              .starts_with("'p' calls 'os." + std::string(197, 'x') + "...', which"));
    CHECK(refusal(call("os." + std::string(9000, 'x'), {}))
              .starts_with("'p' calls 'os." + std::string(100, 'x') + "...', which"));
    CHECK(refusal(call("os.\x1b[31m", {})).starts_with("'p' calls 'os.?[31m', which"));
}
