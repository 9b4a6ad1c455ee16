#include "plugins/formats/torch/saved_bytes.hpp"
#include "support/catch.hpp"

#include <utility>

using namespace unshard;
using namespace unshard::test;
using pickle::integer;
using pickle::integers;

namespace {

/// What the tests compare of a plain tensor.
struct Stored {
    DType dtype;
    std::uint64_t bytes, first;
    Dims shape, stride;
    friend bool operator==(const Stored&, const Stored&) = default;
};

Stored stored(const pickle::Code& tensor, const std::string& data) {
    const SourceTensor w = read_bytes(file_of(tensor, {data})).tensors.at(0);
    const Shard& shard = w.shards.at(0);
    return {w.dtype, shard.bytes, shard.first, shard.spec->shape, shard.spec->stride};
}

std::string refusal(const pickle::Code& tensor, const std::string& data = "") {
    return read_error(file_of(tensor, {data}));
}

pickle::Code with_dtype(const std::string& dtype, std::int64_t bytes, const std::vector<std::int64_t>& shape) {
    return pickle::call("torch._utils._rebuild_tensor_v3",
                        {storage("storage.UntypedStorage", "0", bytes), integer(0), integers(shape), integers({1}),
                         pickle::boolean(false), pickle::none(), pickle::global("torch." + dtype)});
}

pickle::Code typed(const std::string& type, const pickle::Code& tensor_args, const pickle::Code& state) {
    return pickle::call("torch._tensor._rebuild_from_type_v2",
                        {pickle::global("torch._utils._rebuild_tensor_v2"), pickle::global(type), tensor_args, state});
}

pickle::Code two_floats_args() {
    return pickle::tuple({storage("FloatStorage", "0", 2), integer(0), integers({2}), integers({1}),
                          pickle::boolean(true), pickle::none()});
}

const Stored kTwoFloats = {DType::f32, 8, 0, {2}, {1}};

}  // namespace

TEST_CASE("the class of a storage says the dtype") {
    const std::vector<std::pair<std::string, DType>> classes = {
        {"DoubleStorage", DType::f64},    {"FloatStorage", DType::f32},       {"HalfStorage", DType::f16},
        {"BFloat16Storage", DType::bf16}, {"LongStorage", DType::i64},        {"IntStorage", DType::i32},
        {"ShortStorage", DType::i16},     {"CharStorage", DType::i8},         {"ByteStorage", DType::u8},
        {"BoolStorage", DType::boolean},  {"ComplexFloatStorage", DType::c64}};
    for (const auto& [name, dtype] : classes) {
        CAPTURE(name);
        CHECK(stored(strided(storage(name, "0", 2), 0, {2}, {1}), std::string(2 * size_of(dtype), 'x')) ==
              Stored{dtype, 2 * size_of(dtype), 0, {2}, {1}});
    }
}

TEST_CASE("a storage of bytes leaves the dtype to the tensor") {
    for (const DType dtype :
         {DType::f8e4m3, DType::f8e4m3fnuz, DType::f8e5m2, DType::f8e5m2fnuz, DType::u16, DType::u32, DType::u64}) {
        const std::uint64_t bytes = 3 * size_of(dtype);
        CHECK(stored(with_dtype(std::string(info(dtype).torch), static_cast<std::int64_t>(bytes), {3}),
                     std::string(bytes, 'x')) == Stored{dtype, bytes, 0, {3}, {1}});
    }
}

TEST_CASE("a tensor may be any view of its storage") {
    const std::string data(40, 'x');
    const pickle::Code ten = storage("FloatStorage", "0", 10);
    CHECK(stored(strided(ten, 3, {2, 3}, {1, 2}), data) == Stored{DType::f32, 40, 3, {2, 3}, {1, 2}});
    CHECK(stored(strided(ten, 9, {}, {}), data) == Stored{DType::f32, 40, 9, {}, {}});
    CHECK(stored(strided(ten, 9, {1000}, {0}), data) == Stored{DType::f32, 40, 9, {1000}, {0}});
    CHECK(stored(strided(ten, 0, {0, 7}, {7, 1}), data) == Stored{DType::f32, 40, 0, {0, 7}, {7, 1}});
}

TEST_CASE("a tensor without elements needs no bytes") {
    CHECK(stored(strided(storage("FloatStorage", "0", 0), 0, {0, 3}, {3, 1}), "") ==
          Stored{DType::f32, 0, 0, {0, 3}, {3, 1}});
}

TEST_CASE("tensors that share a storage get the same range of the file") {
    const auto tensors =
        read_bytes(torch_file(state_dict({{"a", floats("0", {2})}, {"b", floats("0", {2})}}), {"12345678"})).tensors;
    CHECK(tensors[0].shards[0].offset == tensors[1].shards[0].offset);
}

TEST_CASE("parameters and tensors with attributes are the tensors inside") {
    const pickle::Code inner = floats("0", {2});
    const pickle::Code parameter =
        pickle::call("torch._utils._rebuild_parameter", {inner, pickle::boolean(true), pickle::none()});
    CHECK(stored(parameter, "12345678") == kTwoFloats);
    CHECK(stored(pickle::call("torch._utils._rebuild_parameter_with_state",
                              {parameter, pickle::boolean(true), pickle::none(),
                               pickle::tuple({pickle::none(), pickle::dict({{"tag", integer(1)}})})}),
                 "12345678") == kTwoFloats);
    CHECK(stored(typed("torch.Tensor", two_floats_args(), pickle::dict({{"tag", integer(1)}})), "12345678") ==
          kTwoFloats);
    CHECK(stored(typed("torch.nn.parameter.Buffer", two_floats_args(), pickle::none()), "12345678") == kTwoFloats);
}

TEST_CASE("a tensor class that is not known is refused, or left out when it is opaque") {
    const std::string bytes = file_of(typed("my.Tensor", two_floats_args(), pickle::none()), {"12345678"});
    CHECK(read_error(bytes) ==
          "'w': it is of class 'my.Tensor', which is not known: turn it into a plain tensor before saving");
    CHECK(read_error(bytes, {.rank = 0, .root = "", .opaque = {"my.Tensor"}}) == "there is no tensor in it");
}

TEST_CASE("a storage that is shorter than it says is refused") {
    CHECK(refusal(floats("0", {2}), "1234567") ==
          "'w': storage 'data/0' has 7 bytes, its 2 elements take 8: the file is damaged: copy or save it again");
    CHECK(refusal(floats("0", {2}), "123456789") ==
          "'w': storage 'data/0' has 9 bytes, its 2 elements take 8: the file is damaged: copy or save it again");
    CHECK(refusal(floats("5", {2})) ==
          "'w': there is no storage 'data/5' in the file: it is damaged: copy or save it again");
}

TEST_CASE("a storage is one of PyTorch's, in the form that PyTorch writes") {
    const auto persistent = [](const pickle::Code& type, const std::string& place, bool as_list = false) {
        const pickle::Codes id = {pickle::text("storage"), type, pickle::text("0"), pickle::text(place), integer(2)};
        return strided(pickle::persistent(as_list ? pickle::list(id) : pickle::tuple(id)), 0, {2}, {1});
    };
    const pickle::Code type = pickle::global("torch.FloatStorage");
    CHECK(stored(persistent(type, "cuda:3"), "12345678") == kTwoFloats);
    CHECK(refusal(persistent(type, "cpu", true), "12345678") ==
          "a storage has a persistent id that PyTorch does not write: the file is damaged");
    CHECK(
        refusal(persistent(type, "meta"), "12345678") ==
        "'w': its storage 'data/0' was on the device 'meta', which keeps no elements: save the checkpoint from a real "
        "device");
    CHECK(refusal(persistent(pickle::global("my.FloatStorage"), "cpu"), "12345678") ==
          "'w': its storage is 'my.FloatStorage', whose element type is not supported");
}

TEST_CASE("arguments and attributes of a tensor that are not known are not passed over") {
    const auto with = [](const pickle::Code& requires_grad, const pickle::Code& hooks) {
        return pickle::call("torch._utils._rebuild_tensor_v2", {storage("FloatStorage", "0", 2), integer(0),
                                                                integers({2}), integers({1}), requires_grad, hooks});
    };
    CHECK(refusal(with(integer(1), pickle::none()), "12345678") ==
          "'w': requires_grad is an integer, neither True nor False");
    CHECK(refusal(with(pickle::boolean(false), pickle::dict({{"hook", pickle::none()}})), "12345678") ==
          "'w': its backward hooks are a dictionary, not an empty OrderedDict as PyTorch writes");
    CHECK(refusal(pickle::call("torch._utils._rebuild_parameter", {strided(storage("IntStorage", "0", 2), 0, {2}, {1}),
                                                                   pickle::boolean(true), pickle::none()}),
                  "12345678") == "'w': it requires a gradient, and i32 has none");
    const std::string cure = "', with which PyTorch would replace what it holds: save it without";
    CHECK(refusal(typed("torch.Tensor", two_floats_args(), pickle::dict({{"data", integer(1)}})), "12345678") ==
          "'w': it has an attribute 'data" + cure);
    CHECK(refusal(typed("torch.Tensor", two_floats_args(), pickle::dict({{"grad", integer(1)}})), "12345678") ==
          "'w': it has an attribute 'grad" + cure);
    CHECK(refusal(pickle::call("torch._utils._rebuild_parameter_with_state",
                               {floats("0", {2}), pickle::boolean(true), pickle::none(),
                                pickle::tuple({pickle::none(), pickle::dict({{"__class__", integer(1)}})})}),
                  "12345678") == "'w': it has an attribute '__class__" + cure);
    CHECK(refusal(pickle::call("torch._tensor._rebuild_from_type_v2",
                               {with(pickle::boolean(false), pickle::none()), pickle::global("torch.Tensor"),
                                two_floats_args(), pickle::none()}),
                  "12345678")
              .ends_with(" in another way than PyTorch does"));
}

TEST_CASE("a size that grows after the tensor was rebuilt is refused") {
    const pickle::Code grown =
        pickle::call("torch._utils._rebuild_tensor_v2",
                     {storage("FloatStorage", "0", 2), integer(0), pickle::list({integer(1)}) + pickle::put(0),
                      pickle::list({integer(1)}), pickle::boolean(false), pickle::none()}) +
        pickle::get(0) + integer(2) + "a0";
    CHECK(refusal(grown, "12345678").find("items are put into a value after it was used as an argument") !=
          std::string::npos);
}

TEST_CASE("a tensor of Ascend's NPUs is stored as a CPU has it") {
    const pickle::Code tensor =
        pickle::call("torch_npu.utils.storage._rebuild_npu_tensor",
                     {storage("FloatStorage", "0", 2), integer(0), integers({2}), integers({1}), pickle::boolean(true),
                      pickle::call("collections.OrderedDict", {}), integer(29)});
    CHECK(stored(tensor, "12345678") == kTwoFloats);
}

TEST_CASE("a weight that torchao wraps to compute in float8 is the weight itself") {
    const auto wrapped = [](const std::string& name, const std::string& attribute, std::int64_t size) {
        const pickle::Code type = pickle::global(name);
        return pickle::call(
            "torch._utils._rebuild_parameter",
            {pickle::call("torch._tensor._rebuild_from_type_v2",
                          {pickle::global("torch._utils._rebuild_wrapper_subclass"), type, wrapper_args(type, {size}),
                           pickle::dict({{attribute, floats("0", {2})},
                                         {"_linear_mm_config", pickle::object("torchao.Config")}})}),
             pickle::boolean(true), pickle::none()});
    };
    const std::string dynamic = "torchao.float8.fsdp_utils.WeightWithDynamicFloat8CastTensor";
    CHECK(stored(wrapped(dynamic, "_tensor", 2), "12345678") == kTwoFloats);
    CHECK(stored(wrapped("torchao.prototype.moe_training.tensor.ScaledGroupedMMTensor", "_data", 2), "12345678") ==
          kTwoFloats);
    CHECK(refusal(wrapped(dynamic, "_data", 2), "12345678") ==
          "'w': it has no '_tensor': it is of a release of torchao that is not known yet");
    CHECK(refusal(wrapped(dynamic, "_tensor", 3), "12345678") == "'w': it is f32 (3), the weight inside it is f32 (2)");
}

TEST_CASE("a tensor that reaches past its storage is refused") {
    const pickle::Code four = storage("FloatStorage", "0", 4);
    const std::string data(16, 'x');
    CHECK(refusal(strided(four, 1, {2, 2}, {2, 1}), data) ==
          "'w': its storage is shorter than the tensor: 4 elements are stored, shape (2, 2) with stride (2, 1) from "
          "element 1 on needs 5: the file is damaged");
    CHECK(refusal(with_dtype("float32", 7, {2}), "1234567") ==
          "'w': its storage is shorter than the tensor: 1 elements are stored, shape (2) with stride (1) from element "
          "0 on "
          "needs 2: the file is damaged");
}

TEST_CASE("hostile numbers are refused, not computed with") {
    constexpr std::int64_t kHuge = std::int64_t{1} << 62;
    const std::string data(16, 'x');
    const pickle::Code four = storage("FloatStorage", "0", 4);
    CHECK(refusal(strided(four, 0, {kHuge, kHuge}, {1, 1}), data) ==
          "'w': size overflow: 4611686018427387904 * 4611686018427387904 does not fit 64 bits");
    CHECK(refusal(strided(four, 0, {3}, {kHuge}), data).starts_with("'w': its storage is shorter than the tensor"));
    CHECK(refusal(strided(four, 0, {9}, {kHuge}), data) ==
          "'w': size overflow: 8 * 4611686018427387904 does not fit 64 bits");
    CHECK(refusal(strided(storage("FloatStorage", "0", kHuge), 0, {1}, {1}), data) ==
          "'w': size overflow: 4611686018427387904 * 4 does not fit 64 bits");
    CHECK(refusal(strided(four, -1, {1}, {1}), data) == "'w': where a tensor begins is negative: -1");
    CHECK(refusal(strided(four, 0, {-2}, {1}), data) == "'w': a shape is negative: -2");
    CHECK(refusal(strided(four, 0, {1, 1, 1, 1, 1, 1, 1, 1, 1}, {1}), data) == "'w': more than 8 dimensions");
    CHECK(refusal(strided(four, 0, {2}, {}), data) == "'w': its shape (2) and its stride () differ in length");
}

TEST_CASE("dtypes and layouts that no output has are refused by name") {
    CHECK(refusal(with_dtype("complex32", 4, {1}), std::string(4, 'x')) ==
          "'w': its dtype is 'torch.complex32', which is not supported");
    CHECK(refusal(strided(storage("QInt8Storage", "0", 1), 0, {1}, {1}), "x") ==
          "'w': its storage is 'torch.QInt8Storage', whose element type is not supported");
    CHECK(refusal(pickle::call("torch._utils._rebuild_sparse_tensor", {})) ==
          "'w': it is what 'torch._utils._rebuild_sparse_tensor' gives: sparse, quantized, nested and meta tensors are "
          "not "
          "supported");
}

TEST_CASE("a view with a lazy conjugation is refused") {
    const auto with_flags = [](const pickle::Items& flags) {
        return pickle::call("torch._utils._rebuild_tensor_v2",
                            {storage("ComplexFloatStorage", "0", 1), integer(0), integers({1}), integers({1}),
                             pickle::boolean(false), pickle::none(), pickle::dict(flags)});
    };
    const std::string cure = "', which is not supported: call .resolve_conj().resolve_neg() before saving";
    CHECK(refusal(with_flags({{"conj", pickle::boolean(true)}}), "12345678") ==
          "'w': it is a view with the flag 'conj" + cure);
    // PyTorch takes the flag's presence for its value.
    CHECK(refusal(with_flags({{"neg", pickle::boolean(false)}}), "12345678") ==
          "'w': it is a view with the flag 'neg" + cure);
    CHECK(stored(with_flags({}), "12345678") == Stored{DType::c64, 8, 0, {1}, {1}});
}

TEST_CASE("a chain of wrappers that PyTorch would not write is refused") {
    pickle::Code tensor = floats("0", {2});
    for (int i = 0; i < 20; ++i) {
        tensor = pickle::call("torch._utils._rebuild_parameter", {tensor, pickle::boolean(false), pickle::none()});
    }
    CHECK(refusal(tensor, "12345678") == "'w': it is wrapped more than 8 times");
}
