#include "models/toml_text.hpp"

#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

std::string dotted(std::size_t names) {
    std::string key = "a";
    for (std::size_t i = 1; i < names; ++i) key += ".a";
    return key;
}

std::string error_in(const std::string& text) {
    return error_of([&] { parse_toml(text, "p.toml"); });
}

constexpr const char* kTooDeep = "p.toml: nested deeper than 100 levels";

}  // namespace

TEST_CASE("keys, tables and arrays are nested up to 100 levels deep") {
    CHECK(error_in(dotted(90) + " = 1\n[" + dotted(90) + "b]\nx = 1\n").empty());
    CHECK(error_in(dotted(100'000) + " = 1\n") == kTooDeep);
    CHECK(error_in("[" + dotted(100'000) + "]\n") == kTooDeep);
    CHECK(error_in("[[" + dotted(101) + "]]\n") == kTooDeep);
    CHECK(error_in("x = " + std::string(200, '[') + std::string(200, ']')) == kTooDeep);
    CHECK(error_in("x = { " + dotted(60) + " = { " + dotted(60) + " = 1 } }") == kTooDeep);
}

TEST_CASE("dots in numbers, texts and comments are no nesting") {
    std::string numbers = "x = [1.0";
    for (int i = 0; i < 500; ++i) numbers += ", 1.5";
    CHECK(error_in(numbers + "]\n").empty());
    CHECK(error_in("x = '" + std::string(500, '.') + "' # " + std::string(500, '[') + "\n").empty());
    CHECK(error_in("x = \"\\\"" + std::string(500, '[') + "\"\ny = '''\n'" + std::string(500, '.') + "'''\n").empty());
}

TEST_CASE("a TOML file that is none is an error of usage") {
    const TempDir dir;
    CHECK(error_of([&] { read_toml_text(dir.path()); }) == dir.path() + ": not a regular file");
    write_file(dir / "p.toml", "");
    std::filesystem::resize_file(dir / "p.toml", (16 << 20) + 1);
    CHECK(error_of([&] { read_toml_text(dir / "p.toml"); }) ==
          dir / "p.toml" + ": 16777217 bytes are too many for a TOML file (at most 16777216)");
}
