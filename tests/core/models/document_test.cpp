#include "models/document.hpp"

#include "support/catch.hpp"
#include "support/error_text.hpp"

using namespace unshard;
using namespace unshard::test;

namespace {

const Document kDocument = parse_document(R"(top = 1
[table]
text = 'a'
list = ['a', [1, 2.5]]
[[rows]]
on = true
[[rows]]
deep = { x = -3 }
)",
                                          "f.toml");

}  // namespace

TEST_CASE("a value is called by its key and its table") {
    const Node root(kDocument);
    const Node table = root.table("table"), row = root.tables("rows")[1];
    CHECK(root.name() == "the file");
    CHECK(root.at("top").name() == "'top' at the top level");
    CHECK(table.name() == "'table' at the top level");
    CHECK(table.at("text").name() == "'text' in [table]");
    CHECK(table.at("list").items()[1].items()[0].name() == "'list[1][0]' in [table]");
    CHECK(row.name() == "'rows[1]' at the top level");
    CHECK(row.at("deep").at("x").name() == "'x' in [rows.deep]");
}

TEST_CASE("a value of another type is told with its place") {
    const Node root(kDocument);
    const auto said = [](auto read) { return error_of([&] { read(); }); };
    CHECK(said([&] { root.text("top"); }) == "f.toml:1:7: 'top' at the top level is an integer: it must be a string");
    CHECK(said([&] { root.table("top"); }) == "f.toml:1:7: 'top' at the top level is an integer: it must be a table");
    CHECK(said([&] { root.table("table").tables("list"); }) ==
          "f.toml:4:9: 'list[0]' in [table] is a string: it must be a table");
    CHECK(said([&] { root.table("table").texts("list"); }) ==
          "f.toml:4:14: 'list[1]' in [table] is an array: it must be a string");
    CHECK(said([&] { root.tables("rows")[0].at("on").count(0, 9); }) ==
          "f.toml:6:6: 'on' in [[rows]] is a boolean: it must be an integer");
    CHECK(said([&] { root.tables("rows")[1].at("deep").count("x", 0, 1, 9); }) ==
          "f.toml:8:14: 'x' in [rows.deep] is -3: it must be 1 to 9");
    CHECK(said([&] { root.at("bottom"); }) == "f.toml:1:1: 'bottom' at the top level is missing");
}

TEST_CASE("one text stands for a list of one") {
    CHECK(Node(kDocument).table("table").texts("text") == std::vector<std::string>{"a"});
}

TEST_CASE("the value of an option is placed by the option") {
    Document document = kDocument;
    const Document option = parse_option("a.b", "['x', 1]", "--ab 1").value();
    put(document, JsonPointer("/table/list"), option, JsonPointer("/a/b"));
    const Node list = Node(document).table("table").at("list");
    CHECK_FALSE(list.is_in_file());
    CHECK(Node(document).table("table").is_in_file());
    CHECK(error_of([&] { list.items()[1].text(); }) ==
          "--ab 1: 'list[1]' in [table] is an integer: it must be a string");
    CHECK_FALSE(parse_option("a", "[1", "--a").has_value());
}
