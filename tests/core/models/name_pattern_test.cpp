#include "models/name_pattern.hpp"
#include "rules_support.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

TEST_CASE("a name pattern finds its numbers and puts them back") {
    const NamePattern pattern("layers.{layer}.experts.{expert}.w1");
    const Placeholders at{{"layer", 12}, {"expert", 0}};
    CHECK(pattern.match("layers.12.experts.0.w1") == at);
    CHECK(pattern.fill(at) == "layers.12.experts.0.w1");
    CHECK(NamePattern("norm.weight").match("norm.weight") == Placeholders{});
    CHECK(NamePattern("{layer}").match("7") == Placeholders{{"layer", 7}});
}

TEST_CASE("a name pattern matches nothing else") {
    const NamePattern pattern("layers.{layer}.w");
    for (const char* name : {"layers.1.w.b", "layers.1.", "layers..w", "layers.x.w", "layers.01.w", "layers.-1.w", "",
                             "xlayers.1.w", "layers.1234567890.w", "layers.99999999999999999999999.w", "layers.1"}) {
        INFO(name);
        CHECK_FALSE(pattern.match(name).has_value());
    }
    CHECK(pattern.match("layers.999999999.w").has_value());
}

TEST_CASE("a name pattern that would be ambiguous is refused") {
    const auto failure = [](const char* text) { return message_of([&] { NamePattern pattern(text); }); };
    CHECK(failure("") == "name '': it is empty");
    CHECK(failure("a.{layer") == "name 'a.{layer': a brace has no partner");
    CHECK(failure("a.layer}") == "name 'a.layer}': a brace has no partner");
    CHECK(failure("a.{}.b") == "name 'a.{}.b': a placeholder has no proper name");
    CHECK(failure("{a}{b}") == "name '{a}{b}': a placeholder must be followed by something that is not a digit");
    CHECK(failure("{a}2") == "name '{a}2': a placeholder must be followed by something that is not a digit");
    CHECK(failure("{a}.{a}") == "name '{a}.{a}': '{a}' stands in it twice");
}
