// One file: what it says, and everything that it must not say.

#include "gguf/header.hpp"

#include "fuzz/memory_file.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/gguf_builder.hpp"

using namespace unshard;
using namespace unshard::gguf;
using namespace unshard::test;

namespace {

Header read(const std::string& bytes) {
    const MemoryFile file(bytes);
    return read_header(InputFile(file.path()));
}

/// Without the file's name.
std::string refusal(const std::string& bytes) {
    const std::string text = error_of([&] { read(bytes); });
    return text.substr(text.find(": ") + 2);
}

GgufBuilder small() {
    GgufBuilder builder;
    builder.key_text("general.architecture", "llama").key_u32("llama.block_count", 1);
    builder.key("tokens", 9, le(8U) + le<std::uint64_t>(2) + gguf_text("a") + gguf_text("\xff"));
    builder.tensor("norm", {3}, 0, std::string(12, 'n')).tensor("w", {32, 2}, 8, std::string(68, 'w'));
    return builder;
}

}  // namespace

TEST_CASE("keys come with their types, tensors with PyTorch's shapes and their places") {
    const std::string bytes = small().bytes();
    const Header header = read(bytes);
    CHECK(header.version == 3);
    CHECK(header.alignment == 32);
    REQUIRE(header.keys.size() == 3);
    CHECK(header.keys[0].value == "llama");
    CHECK(header.number("llama.block_count", 0) == 1);
    CHECK(header.keys[2].type == "array of string");
    CHECK(header.keys[2].value == nlohmann::json{"a", "\xef\xbf\xbd"});
    REQUIRE(header.tensors.size() == 2);
    CHECK(header.tensors[1].shape == Dims{2, 32});
    CHECK(header.tensors[1].type.name == "q8_0");
    CHECK(header.tensors[1].bytes == 68);
    CHECK(bytes.substr(header.tensors[0].offset, 12) == std::string(12, 'n'));
    CHECK(bytes.substr(header.tensors[1].offset, 68) == std::string(68, 'w'));
    CHECK(header.bytes_behind == 0);
}

TEST_CASE("every value type is read, and of a long array only the beginning is kept") {
    GgufBuilder builder;
    builder.key("u8", 0, "\xff").key("i8", 1, "\xff").key("u16", 2, "\xff\xff").key("i16", 3, "\xff\xff");
    builder.key("i32", 5, le(-2)).key("f32", 6, le(0x3f800000U)).key("bool", 7, "\1").key("u64", 10, le(~0ULL));
    builder.key("i64", 11, le(-1LL)).key("f64", 12, le(0x3ff0000000000000ULL));
    std::string numbers = le(5U) + le<std::uint64_t>(300'000);
    for (int i = 0; i < 300'000; ++i) numbers += le(i);
    builder.key("long", 9, numbers).key_text("last", std::string(2'000'000, 'x'));
    const Header header = read(builder.bytes());
    std::vector<nlohmann::json> values;
    for (const KeyValue& key : header.keys) values.push_back(key.value);
    CHECK(std::vector(values.begin(), values.begin() + 10) ==
          std::vector<nlohmann::json>{255, -1, 65535, -1, -2, 1.0, true, ~0ULL, -1, 1.0});
    CHECK(header.find("long")->count == 300'000);
    CHECK(header.find("long")->value == nlohmann::json{0, 1, 2, 3, 4, 5, 6, 7});
    CHECK(header.find("last")->value.get<std::string>().size() == 2'000'000);
}

TEST_CASE("version 2 is read, others are named") {
    GgufBuilder builder = small();
    builder.version = 2;
    CHECK(read(builder.bytes()).version == 2);
    builder.version = 1;
    CHECK(refusal(builder.bytes()) == "is GGUF version 1: versions 2 and 3 are read");
    builder.version = 0x03000000;
    CHECK(refusal(builder.bytes()) == "is a big-endian GGUF file: only little-endian ones are read");
    CHECK(refusal("GGML" + builder.bytes()) == "is no GGUF file");
}

TEST_CASE("a file that is cut anywhere before its last tensor ends is refused") {
    const std::string bytes = small().bytes();
    const std::uint64_t end = read(bytes).tensors[1].offset + 68;
    for (std::size_t size = 0; size < end; ++size) {
        INFO(size);
        CHECK_THROWS_AS(read(bytes.substr(0, size)), Error);
    }
    CHECK(read(bytes.substr(0, end)).bytes_behind == 0);  // the last padding may be missing
    CHECK(read(bytes + "more").bytes_behind == 4);
}

TEST_CASE("counts that the file cannot hold are refused before anything is allocated") {
    for (const std::uint64_t huge : {1ULL << 63U, ~0ULL, 1000ULL}) {
        const std::string start = "GGUF" + le(3U);
        CHECK(refusal(start + le(huge) + le<std::uint64_t>(0)).find(" tensors follow, ") != std::string::npos);
        CHECK(refusal(start + le<std::uint64_t>(0) + le(huge)).find(" keys follow, ") != std::string::npos);
        const std::string text = start + le<std::uint64_t>(0) + le<std::uint64_t>(1) + le(huge) + std::string(40, 'x');
        CHECK(refusal(text).find("a key at byte 24 is ") == 0);
        GgufBuilder value, array, element;
        value.key("k", 8, le(huge) + "x");
        CHECK(refusal(value.bytes()).find("key 'k': a text at byte ") == 0);
        array.key("k", 9, le(4U) + le(huge));
        CHECK(refusal(array.bytes()).find("key 'k': ") == 0);
        element.key("k", 9, le(8U) + le<std::uint64_t>(9) + std::string(64, '\0') + le(huge));
        CHECK(refusal(element.bytes()).find("key 'k': ") == 0);
    }
}

TEST_CASE("keys must have known types, names of their own, and no arrays in arrays") {
    GgufBuilder unknown, nested, twice, unnamed, odd;
    CHECK(refusal(unknown.key("k", 13, "").bytes()) == "key 'k': value type 13 is unknown");
    nested.key("k", 9, le(9U) + le<std::uint64_t>(1) + le(4U) + le<std::uint64_t>(1) + le(1U));
    CHECK(refusal(nested.bytes()) == "key 'k': an array of arrays, which GGUF does not have");
    CHECK(refusal(twice.key_u32("k", 1).key_u32("k", 2).bytes()) == "key 'k' stands there twice");
    CHECK(refusal(unnamed.key_u32("", 1).bytes()) == "a key is empty");
    CHECK(refusal(odd.key("k", 7, "\2").bytes()) == "key 'k': a bool is 2");
}

TEST_CASE("an alignment must be a power of two, and is kept to") {
    for (const std::uint32_t wrong : {0U, 3U, 48U}) {
        GgufBuilder builder;
        CHECK(refusal(builder.key_u32("general.alignment", wrong).bytes()) ==
              "general.alignment is " + std::to_string(wrong) + ", it must be a power of two");
    }
    GgufBuilder text, wide;
    CHECK(refusal(text.key_text("general.alignment", "x").bytes()) == "general.alignment is \"x\", it must be a count");
    wide.alignment = 256;
    wide.key_u32("general.alignment", 256).tensor("a", {1}, 0, "aaaa").tensor("b", {1}, 0, "bbbb");
    CHECK(read(wide.bytes()).tensors[1].offset == 512);
}

TEST_CASE("tensors must have known types, whole rows of blocks, at most four dimensions and names of their own") {
    GgufBuilder removed, rows, rank, twice, name, huge;
    CHECK(refusal(removed.info("t", {32}, 4, 0).bytes()) == "'t': type 4 is unknown, or one that ggml has removed");
    CHECK(refusal(rows.info("t", {33}, 8, 0).bytes()) == "'t': has rows of 33 elements, blocks of q8_0 have 32");
    CHECK(refusal(rank.info("t", {1, 1, 1, 1, 1}, 0, 0).bytes()) == "'t': has 5 dimensions, GGUF allows 4");
    twice.tensor("t", {1}, 0, "tttt").tensor("t", {1}, 0, "tttt");
    CHECK(refusal(twice.bytes()) == "tensor 't' stands there twice");
    CHECK(refusal(name.tensor(std::string(64, 'n'), {1}, 0, "tttt").bytes()).find("the name of a tensor at byte ") ==
          0);
    CHECK(refusal(huge.info("t", {1ULL << 32U, 1ULL << 31U}, 0, 0).bytes()).find("'t': has the shape ") == 0);
    for (const std::uint64_t most : {~0ULL, 1ULL << 63U}) {
        GgufBuilder overflow;
        CHECK(refusal(overflow.info("t", {most, most}, 0, 0).bytes()).find("'t': ") == 0);
    }
}

TEST_CASE("offsets must be the running sum of padded sizes") {
    for (const std::uint64_t wrong : {0ULL, 12ULL, 64ULL, 1ULL << 63U, ~0ULL}) {
        GgufBuilder builder;
        builder.tensor("a", {3}, 0, std::string(12, 'a')).info("b", {1}, 0, wrong);
        builder.data += "bbbb";
        CHECK(refusal(builder.bytes()) ==
              "'b' has the offset " + std::to_string(wrong) + ", the tensors before it end at 32");
    }
}
