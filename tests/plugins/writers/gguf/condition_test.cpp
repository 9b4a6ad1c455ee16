#include "condition.hpp"

#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::gguf;
using nlohmann::json;

namespace {

const json kConfig = {
    {"act", "relu"},     {"window", 8}, {"limit", 32}, {"kinds", {"a", "a", "b", "a"}}, {"rope", {{"factor", 2.0}}},
    {"nothing", nullptr}};

Condition of(const char* field) {
    Condition condition;
    condition.field = field;
    return condition;
}

bool holds(const Condition& condition) {
    return gguf::holds(condition, kConfig, {{{"heads", 2}}, {}});
}

}  // namespace

TEST_CASE("a field is one of several values, or none of them") {
    Condition condition = of("act");
    condition.is = {"gelu", "relu"};
    CHECK(holds(condition));
    condition.is = "gelu";
    CHECK_FALSE(holds(condition));
    condition = of("act");
    condition.unless = {"silu", "swish"};
    CHECK(holds(condition));
    condition.unless = "relu";
    CHECK_FALSE(holds(condition));
    condition = of("nothing");
    condition.unless = "relu";
    CHECK_FALSE(holds(condition));
}

TEST_CASE("a list has a value, lacks it, repeats others or breaks with them") {
    Condition has = of("kinds"), lacks = of("kinds"), repeats = of("kinds"), breaks = of("kinds");
    has.has = "b";
    lacks.lacks = "b";
    repeats.repeats = breaks.breaks = {"a", "a", "b"};
    CHECK((holds(has) && !holds(lacks) && holds(repeats) && !holds(breaks)));
    has.has = lacks.lacks = "c";
    repeats.repeats = breaks.breaks = {"a", "b"};
    CHECK((!holds(has) && holds(lacks) && !holds(repeats) && holds(breaks)));
}

TEST_CASE("a number differs from an expression, or lies below another field") {
    Condition differs = of("rope.factor"), below = of("window");
    differs.differs = Expression("heads + 1");
    below.below = "limit";
    CHECK((holds(differs) && holds(below)));
    differs.differs = Expression("heads");
    below.below = "window";
    CHECK((!holds(differs) && !holds(below)));
    Condition when;
    when.when = Expression("heads == 2");
    CHECK(holds(when));
}
