// The form of torch.save before PyTorch 1.6.

#include "plugins/formats/torch/saved_bytes.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

const std::string kCure = ": the file is damaged: copy or save it again";

/// Float32 of shape (count).
pickle::Code legacy_floats(const std::string& key, std::int64_t count) {
    return strided(legacy_storage("FloatStorage", key, count), 0, {count}, {1});
}

pickle::Code two_tensors() {
    return state_dict({{"a", legacy_floats("70", 2)}, {"b", legacy_floats("9", 1)}});
}
const std::vector<LegacyStorage> kTwo = {{"70", 2, "aaaabbbb"}, {"9", 1, "cccc"}};

std::string legacy_error(const std::vector<LegacyStorage>& storages, const LegacyPickles& pickles = {}) {
    return read_error(legacy_file(two_tensors(), storages, pickles));
}

}  // namespace

TEST_CASE("legacy: tensors lie where their storages do, one behind the other to the end of the file") {
    const std::string bytes = legacy_file(two_tensors(), kTwo);
    const torch::StateDict dict = read_bytes(bytes);
    REQUIRE(dict.tensors.size() == 2);
    const Shard &a = dict.tensors[0].shards.at(0), &b = dict.tensors[1].shards.at(0);
    CHECK(a.offset == bytes.find("aaaabbbb"));
    CHECK(a.bytes == 8);
    CHECK(b.offset == bytes.find("cccc"));
    CHECK(b.bytes == 4);
    CHECK_FALSE(a.crc32);
}

TEST_CASE("legacy: the order of storages is that of the list") {
    const std::string bytes = legacy_file(two_tensors(), {kTwo[1], kTwo[0]});
    CHECK(read_bytes(bytes).tensors[0].shards.at(0).offset == bytes.find("aaaabbbb"));
}

TEST_CASE("legacy: a pickle that is longer than what is read at first is found to its end") {
    pickle::Items items;
    for (int i = 0; i < 20'000; ++i) items.emplace_back("n" + std::to_string(i), pickle::integer(i));
    items.emplace_back("a", legacy_floats("70", 2));
    const std::string bytes = legacy_file(state_dict(items), {kTwo[0]});
    REQUIRE(bytes.size() > 300'000);
    CHECK(read_bytes(bytes).tensors.at(0).shards.at(0).offset == bytes.size() - 8);
}

TEST_CASE("legacy: later protocols frame the number that the file begins with") {
    LegacyPickles framed;
    framed.magic = "\x80\x04\x95" + le(13, 8) + framed.magic.substr(2);
    CHECK(legacy_error(kTwo, framed).empty());
}

TEST_CASE("legacy: a file is refused wherever it is cut, and where more follows") {
    const std::string whole = legacy_file(two_tensors(), kTwo);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        if (read_error(whole.substr(0, size)).empty()) FAIL("cut at " << size << " went unnoticed");
    }
    CHECK(read_error(whole + "x") == "1 bytes lie behind its last storage" + kCure);
    CHECK(read_error(whole.substr(0, whole.size() - 1)).starts_with("truncated: storage 'data/9' needs 4 bytes at "));
    CHECK(read_error(whole.substr(0, whole.size() - 5)).starts_with("truncated: storage 'data/9' needs 8 bytes at "));
    CHECK(read_error(whole.substr(0, 200)).starts_with("its pickle ends outside of the file (damaged pickle: "));
}

TEST_CASE("legacy: storages of another size than the pickle says are refused") {
    CHECK(legacy_error({{"70", 3, "aaaabbbbcccc"}, kTwo[1]}) ==
          "storage 'data/70' has 3 elements, its pickle says 2" + kCure);
    CHECK(legacy_error({{"70", ~std::uint64_t(0), ""}, kTwo[1]}) ==
          "storage 'data/70' has 18446744073709551615 elements, its pickle says 2" + kCure);
    const auto huge = state_dict({{"a", legacy_floats("70", std::int64_t(1) << 62)}});
    CHECK_FALSE(read_error(legacy_file(huge, {{"70", std::uint64_t(1) << 62, ""}})).empty());
}

TEST_CASE("legacy: the list must have each storage of the pickle once, and no other") {
    CHECK(legacy_error({kTwo[0]}) == "storage 'data/9', which its pickle needs, is not in its list" + kCure);
    CHECK(legacy_error({kTwo[0], kTwo[1], {"8", 1, "dddd"}}) ==
          "storage 'data/8' is in its list, and its pickle needs none of this name" + kCure);
    CHECK(legacy_error({kTwo[0], kTwo[0], kTwo[1]}) == "storage 'data/70' is twice in its list" + kCure);
    CHECK(legacy_error(kTwo, {.keys = pickle::integer(2)}) == "the list of its storages is an integer, not a tuple");
}

TEST_CASE("legacy: what is before the pickle is checked") {
    CHECK(legacy_error(kTwo, {.version = pickle::integer(1002)}) ==
          "its protocol has version 1002, 1001 is known: the file is damaged, or no file of torch.save");
    CHECK(legacy_error(kTwo, {.system = pickle::dict({{"little_endian", pickle::boolean(false)}})}) ==
          "saved on a big-endian machine: save it again on a little-endian one");
    CHECK(legacy_error(kTwo, {.system = pickle::dict({})}) == "it does not say its byte order" + kCure);
    CHECK(legacy_error(kTwo, {.system = pickle::none()}) == "what it says of its machine is None" + kCure);
    const pickle::Code command = pickle::call("posix.system", {pickle::text("touch /owned")}) + "0";
    CHECK(legacy_error(kTwo, {.version = command + pickle::integer(1001)})
              .starts_with("the version of its protocol calls 'posix.system', which Python would run"));
}

TEST_CASE("legacy: persistent ids have the form of the form") {
    const auto error = [](const pickle::Code& storage) {
        return read_error(legacy_file(state_dict({{"a", strided(storage, 0, {2}, {1})}}), {kTwo[0]}));
    };
    CHECK(error(legacy_storage("FloatStorage", "70", 2)).empty());
    CHECK(error(storage("FloatStorage", "70", 2)) ==
          "a storage has a persistent id that PyTorch does not write: the file is damaged");
    CHECK(error(legacy_storage("FloatStorage", "70", 2, pickle::tuple({pickle::text("70"), pickle::integer(0)})))
              .starts_with("a storage is a part of another one, as PyTorch before 0.4 saved it"));
    CHECK(read_error(torch_file(state_dict({{"a", strided(legacy_storage("FloatStorage", "0", 1), 0, {1}, {1})}}),
                                {"1234"})) ==
          "a storage has a persistent id that PyTorch does not write: the file is damaged");
}

TEST_CASE("legacy: storages of quantised tensors beside the model are passed by") {
    const pickle::Code quantised =
        pickle::dict({{"q", pickle::call("torch._utils._rebuild_qtensor", {legacy_storage("QInt32Storage", "5", 1)})}});
    const pickle::Code state = pickle::dict(
        {{"optimizer", pickle::dict({{"state", quantised}})}, {"model", state_dict({{"a", legacy_floats("70", 2)}})}});
    CHECK(read_bytes(legacy_file(state, {{"5", 1, "qqqq"}, kTwo[0]})).tensors.size() == 1);
    const pickle::Code unknown =
        pickle::dict({{"x", pickle::tuple({legacy_storage("NewStorage", "5", 1)})}, {"a", legacy_floats("70", 2)}});
    CHECK(read_error(legacy_file(unknown, {{"5", 1, "qqqq"}, kTwo[0]})) ==
          "its storage is 'torch.NewStorage', whose element type is not supported");
}

TEST_CASE("legacy: a module that was saved whole is no state dict") {
    const pickle::Code type = pickle::persistent(
        pickle::tuple({pickle::text("module"), pickle::global("my.Net"), pickle::text("net.py"), pickle::text("..")}));
    const pickle::Code module = type + ")\x81" + pickle::dict({{"w", legacy_floats("70", 2)}}) + "b";
    CHECK(read_error(legacy_file(module, {kTwo[0]})) ==
          "the file is what a value gives that is no class or function, not a state dict: save the model's "
          "state_dict(), not the model itself");
}
