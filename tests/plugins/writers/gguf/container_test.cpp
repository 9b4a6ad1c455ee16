#include "container.hpp"

#include "support/catch.hpp"
#include "unshard/tools/error.hpp"

using namespace unshard;
using namespace unshard::gguf;

namespace {

std::string u32(std::uint32_t v) {
    std::string s;
    for (int i = 0; i < 4; ++i) s += static_cast<char>(v >> (8 * i) & 0xffU);
    return s;
}
std::string u64(std::uint64_t v) {
    return u32(static_cast<std::uint32_t>(v)) + u32(static_cast<std::uint32_t>(v >> 32U));
}
std::string text(const std::string& s) {
    return u64(s.size()) + s;
}

}  // namespace

TEST_CASE("a GGUF header holds keys with their types, then tensors with reversed dims, then padding") {
    KeyValues metadata;
    metadata.set("a", std::uint32_t{7});
    metadata.set("b", std::string("xy"));
    metadata.set("c", std::vector<bool>{true, false});
    const std::vector<TensorInfo> tensors = {{"t", Dims{2, 3}, Type::f32}, {"u", Dims{32}, Type::q8_0}};
    const FileParts parts = file_parts(metadata, tensors);
    std::string expected = "GGUF" + u32(3) + u64(2) + u64(3) + text("a") + u32(4) + u32(7) + text("b") + u32(8) +
                           text("xy") + text("c") + u32(9) + u32(7) + u64(2) + std::string("\1\0", 2) +  //
                           text("t") + u32(2) + u64(3) + u64(2) + u32(0) + u64(0) +                      //
                           text("u") + u32(1) + u64(32) + u32(8) + u64(32);
    expected.resize((expected.size() + 31) / 32 * 32, '\0');
    CHECK(parts == FileParts{expected, {expected.size(), expected.size() + 32}, expected.size() + 32 + 64});
}

TEST_CASE("every kind of value has its code and form") {
    const auto bytes_of = [](Value value) {
        KeyValues metadata;
        metadata.set("k", std::move(value));
        return file_parts(metadata, {}).header.substr(4 + 4 + 8 + 8 + 8 + 1);
    };
    CHECK(bytes_of(std::uint16_t{513}).starts_with(u32(2) + "\1\2"));
    CHECK(bytes_of(std::int32_t{-2}).starts_with(u32(5) + u32(0xfffffffeU)));
    CHECK(bytes_of(1.0F).starts_with(u32(6) + u32(0x3f800000U)));
    CHECK(bytes_of(true).starts_with(u32(7) + "\1"));
    CHECK(bytes_of(std::vector<std::int32_t>{5}).starts_with(u32(9) + u32(5) + u64(1) + u32(5)));
    CHECK(bytes_of(std::vector<float>{1}).starts_with(u32(9) + u32(6) + u64(1) + u32(0x3f800000U)));
    CHECK(bytes_of(std::vector<std::string>{"ab"}).starts_with(u32(9) + u32(8) + u64(1) + text("ab")));
}

TEST_CASE("a key is replaced where it stands, and an empty value takes it away") {
    KeyValues metadata;
    metadata.set("a", std::uint32_t{1});
    metadata.set("b", std::uint32_t{2});
    metadata.set("a", std::uint32_t{3});
    metadata.set("b", std::string());
    CHECK(metadata.entries() == std::vector<std::pair<std::string, Value>>{{"a", std::uint32_t{3}}});
    CHECK(metadata.count("a") == 3);
    CHECK(metadata.count("b") == 0);
}

TEST_CASE("names that llama.cpp refuses are refused here") {
    const std::string long_name(64, 'n');
    CHECK_NOTHROW(check_tensors(std::vector<TensorInfo>{{long_name.substr(1), Dims{1}, Type::f32}}));
    CHECK_THROWS_WITH(check_tensors(std::vector<TensorInfo>{{long_name, Dims{1}, Type::f32}}),
                      "'" + long_name + "': the name has 64 bytes, GGUF allows 63");
    CHECK_THROWS_WITH(check_tensors(std::vector<TensorInfo>{{"a", Dims{1}, Type::f32}, {"a", Dims{2}, Type::f32}}),
                      "'a': two tensors have this name in GGUF");
    CHECK_THROWS_WITH(check_tensors(std::vector<TensorInfo>{{"a", Dims{1, 1, 1, 1, 1}, Type::f32}}),
                      "'a': the shape (1, 1, 1, 1, 1) has more than 4 dimensions, GGUF has no more");
}

TEST_CASE("files are split in order, and a tensor larger than the limit has one of its own") {
    const std::vector<TensorInfo> tensors = {{"a", Dims{10}, Type::f32},
                                             {"b", Dims{10}, Type::f32},
                                             {"c", Dims{100}, Type::f32},
                                             {"d", Dims{10}, Type::f32}};
    using Files = std::vector<std::vector<std::size_t>>;
    CHECK(split_by_size(tensors, 0) == Files{{0, 1, 2, 3}});
    CHECK(split_by_size(tensors, 80) == Files{{0, 1}, {2}, {3}});
    CHECK(split_by_size(tensors, 79) == Files{{0}, {1}, {2}, {3}});
}
