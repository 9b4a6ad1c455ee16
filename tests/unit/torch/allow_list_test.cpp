#include "torch/allow_list.hpp"

#include "support/catch.hpp"
#include "support/pickle_builder.hpp"
#include "unit/engine/error_text.hpp"

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

TEST_CASE("a call of what is not on the list is refused with the option that lets it through") {
    CHECK(refusal(call("os.system", {text("rm -rf /")})) ==
          "'p' calls 'os.system', which is not on the allow-list: nothing from a pickle is run; if this function is "
          "harmless, pass --opaque os.system to let it through as an inert value");
    CHECK(symbol_of(call("os.system", {text("rm -rf /")}), {"os.system"}) == Symbol::inert);
}

TEST_CASE("an object of a class that is not on the list is refused with the option that lets it through") {
    CHECK(
        refusal(object("my.code.Config")) ==
        "'p' holds an object of class 'my.code.Config', which is not on the allow-list: nothing from a pickle is run; "
        "if this class is harmless, pass --opaque my.code.Config to let it through as an inert value");
    CHECK(symbol_of(object("my.code.Config"), {"my.code.Config"}) == Symbol::inert);
}

TEST_CASE("what the pickle throws away is checked too") {
    CHECK(refusal(call("os.system", {}) + "0" + none()).starts_with("'p' calls 'os.system'"));
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
    CHECK(symbol_of(inner + ")\x81") == Symbol::inert);
    CHECK(refusal(call("__builtin__.getattr", {global("os.path"), text("join")}) + ")R")
              .starts_with("'p' calls 'os.path.join', which is not on the allow-list"));
    CHECK(refusal(call("__builtin__.getattr", {text("os"), text("system")}))
              .starts_with("'p' calls '__builtin__.getattr', which is not on the allow-list"));
}

TEST_CASE("a call of the result of a call is refused") {
    CHECK(refusal(call("collections.OrderedDict", {}) + ")R") ==
          "'p' calls a value that is no class or function: nothing from a pickle is run");
    CHECK(refusal(integer(3) + ")R") == "'p' calls a value that is no class or function: nothing from a pickle is run");
}

TEST_CASE("a name in a message is short and printable") {
    const std::string message = refusal(call("m." + std::string(1000, 'x'), {}));
    CHECK(message.starts_with("'p' calls 'm." + std::string(198, 'x') + "...', which"));
    CHECK(refusal(call("m.\x1b[31m", {})).starts_with("'p' calls 'm.?[31m', which"));
}
