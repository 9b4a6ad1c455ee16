#include "text/printable.hpp"

#include "support/catch.hpp"

using namespace unshard;
using namespace std::string_literals;

TEST_CASE("what changes the direction of text, ends a line or speaks to the terminal is shown, not done") {
    CHECK(printable("a\u202Eb\u2066c\u2069d\u200Fe\u061Cf\u2028g") ==
          "a\\u202eb\\u2066c\\u2069d\\u200fe\\u061cf\\u2028g");
    CHECK(printable("\x1b[31m\n\u009b\x7f\xff"s) == "\\x1b[31m\\n\\xc2\\x9b\\x7f\\xff");
    CHECK(printable("h\u00e9llo \u4f60\u597d \U0001F600") == "h\u00e9llo \u4f60\u597d \U0001F600");
    CHECK_FALSE(is_printable("model.\u202Eweight"));
    CHECK(is_printable("model.\u00fcber.weight"));
}

TEST_CASE("lines stay lines, what is in them is made safe") {
    CHECK(printable_lines("a\tb\n\x1b[2J\n\nend\n") == "a\\tb\n\\x1b[2J\n\nend\n");
    CHECK(printable_lines("") == "");
}

TEST_CASE("a long message keeps where it begins and where it ends") {
    const std::string text = "config.json: " + std::string(20'000'000, 'x') + ": name another file";
    const std::string shown = message(text);
    CHECK(shown.size() < 2100);
    CHECK(shown.starts_with("config.json: xxx"));
    CHECK(shown.find(" ... (19998032 bytes more) ... ") != std::string::npos);
    CHECK(shown.ends_with(": name another file"));
    CHECK(message("short\n") == "short\\n");
    std::string wide;
    while (wide.size() < 9'000) wide += "\u00e9";
    CHECK(is_printable(message("x" + wide)));
}
