#include "formats/safetensors/safetensors_header.hpp"

#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

/// A file with this header and as many bytes behind it.
std::string safetensors(const std::string& header, std::size_t data, std::uint64_t length) {
    std::string bytes(8, '\0');
    for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(length >> (8 * i));
    return bytes + header + std::string(data, 'x');
}

SafetensorsHeader read(const std::string& bytes) {
    const TempDir directory;
    write_file(directory / "m.safetensors", bytes);
    return read_safetensors_header(InputFile(directory / "m.safetensors"));
}

/// What is wrong, without the path.
std::string error_in(const std::string& bytes) {
    const std::string text = error_of([&] { read(bytes); });
    return text.substr(text.find("m.safetensors: ") + 15);
}

std::string error_in_header(const std::string& header, std::size_t data = 0) {
    return error_in(safetensors(header, data, header.size()));
}

}  // namespace

TEST_CASE("tensors are in the order of their bytes, at places in the file") {
    const std::string json =
        R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2,2],"data_offsets":[4,12]},)"
        R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"e":{"dtype":"U8","shape":[0],"data_offsets":[4,4]}})";
    const SafetensorsHeader header = read(safetensors(json, 12, json.size()));
    CHECK(header.metadata == std::map<std::string, std::string>{{"format", "pt"}});
    REQUIRE(header.tensors.size() == 3);
    CHECK(header.tensors[0].name == "a");
    CHECK(header.tensors[0].dtype == DType::f32);
    CHECK(header.tensors[0].shape == Dims{});
    CHECK(header.tensors[0].offset == 8 + json.size());
    CHECK(header.tensors[1].name == "e");
    CHECK(header.tensors[2].name == "b");
    CHECK(header.tensors[2].shape == Dims{2, 2});
    CHECK(header.tensors[2].offset == 8 + json.size() + 4);
    CHECK(header.tensors[2].bytes == 8);
}

TEST_CASE("files that are no safetensors are refused without reading more than they have") {
    CHECK(error_in("short") == "not a safetensors file: it has 5 bytes");
    CHECK(error_in(safetensors("{}", 0, UINT64_MAX)) ==
          "not a safetensors file, or a truncated one: a header of 18446744073709551615 bytes in a file of 10");
    CHECK(error_in(safetensors("{}", 0, 3)) ==
          "not a safetensors file, or a truncated one: a header of 3 bytes in a file of 10");
    CHECK(error_in_header("{,}") == "not a safetensors file: its header is no JSON at byte 10");
    CHECK(error_in_header("[1]") == "the header has an unexpected array");
}

TEST_CASE("a header that lies about its bytes is refused") {
    CHECK(error_in_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4) ==
          "'a' takes 4 bytes, its shape (2) needs 8");
    CHECK(error_in_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4) ==
          "'a' ends before it begins");
    const std::string gap = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})";
    const std::size_t begin = 8 + gap.size();
    CHECK(error_in_header(gap, 2) == "'a' begins at byte " + std::to_string(begin + 1) +
                                         ", the tensor before it ends at " + std::to_string(begin));
    CHECK(error_in_header("{}", 2) == "has 12 bytes, its header describes 10: the file is truncated or damaged");
    CHECK(error_in_header(R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})")
              .find("does not fit 64 bits") != std::string::npos);
}

TEST_CASE("elements smaller than a byte are blocks of bytes, which rows fill") {
    const std::string json = R"({"a":{"shape":[2,4],"data_offsets":[0,4],"dtype":"F4"},)"
                             R"("b":{"dtype":"F6_E3M2","shape":[8],"data_offsets":[4,10]}})";
    const SafetensorsHeader header = read(safetensors(json, 10, json.size()));
    CHECK(header.tensors.at(0).shape == Dims{2, 2});
    CHECK(header.tensors.at(0).dtype == DType::f4x2);
    CHECK(header.tensors.at(1).shape == Dims{6});
    CHECK(header.tensors.at(1).encoding == Encoding{"F6_E3M2", 4, 3});
    CHECK(error_in_header(R"({"a":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]}})", 3) ==
          "'a' is F4 (2, 3), whose rows are no whole bytes: not supported");
}

TEST_CASE("entries must be complete, known and unique") {
    CHECK(error_in_header(R"({"a":{"dtype":"F32","shape":[1]}})") == "'a' must have dtype, shape and two data_offsets");
    CHECK(error_in_header(R"({"a":{"dtype":"F3","shape":[1],"data_offsets":[0,1]}})") == "'a' dtype 'F3' is not known");
    CHECK(error_in_header(R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})") == "'a' has a negative number");
    CHECK(error_in_header(R"({"a":{"dtype":"U8","shape":[[1]],"data_offsets":[0,1]}})") ==
          "'a' has an unexpected array");
    CHECK(error_in_header(R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})") ==
          "'a' has more than 8 dimensions");
    CHECK(error_in_header(R"({"a":{"x":{}}})") == "'a' nests deeper than it may");
    const std::string entry = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
    CHECK(error_in_header("{" + entry + "," + entry + "}") == "'a' stands there twice");
}
