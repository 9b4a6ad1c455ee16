#include "models/expression.hpp"
#include "rules_support.hpp"
#include "support/catch.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

std::int64_t value(std::string_view text) {
    const Values values{{{"heads", 8}, {"hidden", 60}, {"tied", 0}}, {{"dense", {0, 3}}}};
    return Expression(text).value(values, {{"layer", 3}});
}

std::string failure(std::string_view text) {
    return message_of([&] { value(text); });
}

}  // namespace

TEST_CASE("expressions follow the usual precedence, from left to right") {
    CHECK(value("2 + 3 * 4") == 14);
    CHECK(value("(2 + 3) * 4") == 20);
    CHECK(value("20 - 3 - 2") == 15);
    CHECK(value("100 / 7 / 2 % 4") == 3);
    CHECK(value("hidden / heads") == 7);
    CHECK(value("1 + 2 == 3 and 2 < 1 or 4 >= 4") == 1);
    CHECK(value("not 1 == 2 and not 3 != 3") == 1);
    CHECK(value("1 <= 1 and (2 > 3 or tied) == 0") == 1);
}

TEST_CASE("'and' and 'or' leave out their right side when the left decides") {
    CHECK(value("tied and heads / tied == 2") == 0);
    CHECK(value("tied == 0 or unknown") == 1);
    CHECK(value("tied and (layer in unknown) or heads == 8") == 1);
    CHECK(failure("heads and unknown") == "'heads and unknown': 'unknown' has no value");
    CHECK(failure("tied or unknown") == "'tied or unknown': 'unknown' has no value");
}

TEST_CASE("'not' behind an operator reaches as far as in front") {
    CHECK(value("2 * not tied + 1") == 0);
    CHECK(value("3 * not heads == 9") == 3);
}

TEST_CASE("placeholders are numbers and lists can be searched") {
    CHECK(value("layer in dense") == 1);
    CHECK(value("layer - 1 in dense") == 0);
    CHECK(value("not layer in dense and (layer + 1) % 2 == 0") == 0);
    CHECK(value("heads > 0 and not (layer + 1 in dense) and (layer+1)%2==0") == 1);
}

TEST_CASE("words are not taken apart") {
    CHECK(Expression("order + indexes").numbers() == std::vector<std::string>{"order", "indexes"});
    CHECK(Expression("layer in dense").lists() == std::vector<std::string>{"dense"});
}

TEST_CASE("a defined name is put in as a whole") {
    Expression expression("2 * even");
    expression.inline_name("even", Expression("layer + 1"));
    CHECK(expression.value({}, {{"layer", 3}}) == 8);
    CHECK(message_of([&] {
              for (int i = 0; i < 12; ++i) expression.inline_name("layer", Expression("layer * layer"));
          }) == "expression '2 * even': too long with 'layer'");
}

TEST_CASE("what is not an expression says what is wrong with it") {
    CHECK(failure("") == "expression '': a number or a name is missing before ''");
    CHECK(failure("heads *") == "expression 'heads *': a number or a name is missing before ''");
    CHECK(failure("heads * in dense") ==
          "expression 'heads * in dense': a number or a name is missing before 'in dense'");
    CHECK(failure("heads hidden") == "expression 'heads hidden': an operator is missing before 'hidden'");
    CHECK(failure("2 in l + 1") == "expression '2 in l + 1': 'in l' cannot be part of '+ 1': put it in parentheses");
    CHECK(failure("(heads") == "expression '(heads': a '(' has no ')'");
    CHECK(failure("(heads hidden") == "expression '(heads hidden': an operator is missing before 'hidden'");
    CHECK(failure("heads)") == "expression 'heads)': a ')' has no '('");
    CHECK(failure("layer in 3") == "expression 'layer in 3': the name of a list is missing behind 'in'");
    CHECK(failure("layer in dense 3") == "expression 'layer in dense 3': an operator is missing before '3'");
    CHECK(failure("9999999999999") == "expression '9999999999999': a number in it is too large");
    const std::string long_text(300, '(');
    CHECK(failure(long_text) == "expression '" + long_text + "': it has more than 256 characters");
}

TEST_CASE("arithmetic that goes wrong says so") {
    CHECK(failure("heads / tied") == "'heads / tied': cannot divide 8 by 0");
    CHECK(failure("(tied - heads) % 3") == "'(tied - heads) % 3': cannot divide -8 by 3");
    CHECK(failure("1000000000000 * 1000000000000") ==
          "'1000000000000 * 1000000000000': a result with 1000000000000 and 1000000000000 is too large");
    CHECK(failure("experts + 1") == "'experts + 1': 'experts' has no value");
    CHECK(failure("layer in sparse") == "'layer in sparse': list 'sparse' has no value");
}
