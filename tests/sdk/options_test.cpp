// How plugins read their options.

#include "support/catch.hpp"
#include "unshard/request.hpp"

namespace unshard {
namespace {

template <class T>
T taken(const nlohmann::json& value) {
    const nlohmann::json values = {{"x", value}};
    return Options(values).take<T>("x", T());
}

TEST_CASE("an option has its value, or the fallback when it is not given") {
    const nlohmann::json values = {{"name", "llama"}, {"count", 3}, {"on", true}, {"list", {"a", "b"}}};
    Options options(values);
    CHECK(options.take<std::string>("name", "") == "llama");
    CHECK(options.take<unsigned>("count", 0) == 3);
    CHECK(options.take("on", false));
    CHECK(options.take<std::vector<std::string>>("list", {}) == std::vector<std::string>{"a", "b"});
    CHECK(options.take<std::string>("missing", "fallback") == "fallback");
    options.finish();
}

TEST_CASE("an option that is not known is refused") {
    const nlohmann::json values = {{"nmae", 1}};
    Options none(values);
    CHECK_THROWS_WITH(none.finish(), "unknown option 'nmae': there are none");
    Options some(values);
    some.take("name", 0);
    some.take("count", 0);
    CHECK_THROWS_AS(some.finish(), UsageError);
    CHECK_THROWS_WITH(some.finish(), "unknown option 'nmae': known are count, name");
}

TEST_CASE("an option of another type is refused, not converted") {
    CHECK_THROWS_WITH(taken<std::string>(1), "option 'x': 1 has the wrong type or range");
    CHECK_THROWS_WITH(taken<bool>(1), "option 'x': 1 has the wrong type or range");
    CHECK_THROWS_WITH(taken<int>(true), "option 'x': true has the wrong type or range");
    CHECK_THROWS_WITH(taken<int>(1.5), "option 'x': 1.5 has the wrong type or range");
    CHECK_THROWS_WITH(taken<double>("1"), "option 'x': \"1\" has the wrong type or range");
}

TEST_CASE("a number out of range is refused, not wrapped") {
    CHECK_THROWS_WITH(taken<std::uint64_t>(-1), "option 'x': -1 has the wrong type or range");
    CHECK_THROWS_WITH(taken<std::uint32_t>(1LL << 32), "option 'x': 4294967296 has the wrong type or range");
    CHECK(taken<std::uint64_t>(~0ULL) == ~0ULL);
    CHECK(taken<int>(-1) == -1);
    CHECK(taken<double>(2) == 2.0);
}

}  // namespace
}  // namespace unshard
