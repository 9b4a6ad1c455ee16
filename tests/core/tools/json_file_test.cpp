#include "unshard/tools/json_file.hpp"

#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

#include <chrono>

using namespace unshard;
using namespace unshard::test;

namespace {

std::string nested(std::size_t levels) {
    return std::string(levels, '[') + std::string(levels, ']');
}

}  // namespace

TEST_CASE("Python's constants are null, but not within texts") {
    CHECK(parse_json(R"({"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \" Infinity"})") ==
          nlohmann::json::parse(R"({"a": null, "b": [null, null], "c": "NaN \" Infinity"})"));
}

TEST_CASE("values are nested up to 100 levels deep") {
    CHECK(error_of([] { parse_json(nested(100)); }).empty());
    CHECK(error_of([] { parse_json(nested(101)); }) == "values are nested deeper than 100 levels");
    CHECK(error_of([] { parse_json(nested(200'000)); }) == "values are nested deeper than 100 levels");
    CHECK(error_of([] { parse_json(std::string(1000, '{')); }) == "values are nested deeper than 100 levels");
    CHECK(parse_json('"' + std::string(1000, '[') + '"').is_string());
}

TEST_CASE("what is no JSON is told by its place, without the text") {
    const std::string long_text = "[1,\n\"" + std::string(20'000'000, 'x');
    CHECK(error_of([&] { parse_json(long_text); }) == "not valid JSON at line 2 (byte 20000006 of 20000005)");
    CHECK(error_of([] { parse_json("{\"a\": 1} rest"); }) == "not valid JSON at line 1 (byte 10 of 13)");
    CHECK(error_of([] { parse_json(""); }) == "not valid JSON at line 1 (byte 1 of 0)");
    CHECK(error_of([] { parse_json("1e999"); }) == "not valid JSON: a number is too large");
}

TEST_CASE("a file of settings has its size and its kind checked before it is read") {
    const TempDir dir;
    write_file(dir / "config.json", "{}");
    std::filesystem::resize_file(dir / "config.json", kMaxSettingsBytes + 1);
    CHECK(error_of([&] { read_json(dir / "config.json"); }) ==
          dir / "config.json" + ": 16777217 bytes are too many for a JSON file of its kind (at most 16777216)");
    write_file(dir / "bad.json", "{,}");
    CHECK(error_of([&] { read_json(dir / "bad.json"); }) ==
          dir / "bad.json" + ": not valid JSON at line 1 (byte 2 of 3)");
    CHECK(error_of([&] { read_json(dir.path()); }) == dir.path() + ": not a regular file");
}

TEST_CASE("the time to read an object is in step with its keys") {
    std::string text = "{\"k\": 0";
    for (int i = 0; i < 400'000; ++i) text += ",\"key" + std::to_string(i) + "\": " + std::to_string(i);
    const auto start = std::chrono::steady_clock::now();
    CHECK(parse_json(text + "}").size() == 400'001);
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(30));  // quadratic: an hour
}

TEST_CASE("values that take little in a file and much in memory are counted") {
    std::string many = "[";
    for (int i = 0; i < 1000; ++i) many += "[],";
    many += "1]";
    CHECK_NOTHROW(parse_json(many, 2002));
    CHECK_THROWS_WITH(parse_json(many, 2000), "more than 2000 values are too many for JSON of its kind");
    CHECK_NOTHROW(parse_json(R"(["a,[,{"])", 2));  // what stands in a text is none
    const TempDir dir;
    std::string large = "[";
    for (int i = 0; i < 200'000; ++i) large += "[],";
    write_file(dir / "config.json", large + "1]");
    CHECK_THROWS_WITH(read_json(dir / "config.json"),
                      (dir / "config.json") + ": more than 262144 values are too many for JSON of its kind");
}
