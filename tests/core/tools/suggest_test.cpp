#include "unshard/tools/suggest.hpp"

#include "support/catch.hpp"

#include <vector>

using namespace unshard;

namespace {

const std::vector<std::string> kKnown = {"path", "reader", "assets", "root"};

}  // namespace

TEST_CASE("a near name is suggested") {
    CHECK(suggestion("readr", kKnown) == "did you mean 'reader'?");
    CHECK(suggestion("paht", kKnown) == "did you mean 'path'?");
    CHECK(suggestion("asset", kKnown) == "did you mean 'assets'?");
}

TEST_CASE("without a near name all are listed") {
    CHECK(suggestion("colour", kKnown) == "known are path, reader, assets, root");
    CHECK(suggestion("", kKnown) == "known are path, reader, assets, root");
}

TEST_CASE("nothing known is said to be nothing") {
    CHECK(suggestion("path", {}) == "none is known here");
}
