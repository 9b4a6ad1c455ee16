#include "models/dialect.hpp"
#include "rules_support.hpp"
#include "support/catch.hpp"
#include "support/temp_dir.hpp"

#include <filesystem>

using namespace unshard;
using namespace unshard::test;

namespace {

/// What reading a dialect with these lines in [[models]] fails with, without the file's name.
std::string failure(const std::string& lines) {
    const TempDir directory;
    const std::string file = directory / "d.toml";
    write_file(file, "title = 'T'\nconfig.layers = 'num_hidden_layers'\n[[models]]\n" + lines + "\n");
    const std::string message = message_of([&] { read_dialect(file); });
    return message.starts_with(file) ? message.substr(file.size()) : message;
}

}  // namespace

TEST_CASE("a name with * takes any text at its end, or at its front") {
    const DialectName front("*.experts.{expert}.w1");
    const auto match = front.match("model.layers.3.mlp.experts.12.w1");
    REQUIRE(match);
    CHECK(match->any == "model.layers.3.mlp");
    CHECK(match->at == Placeholders{{"expert", 12}});
    CHECK(DialectName("*.e{expert}.x").fill(*match) == "model.layers.3.mlp.e12.x");
    CHECK_FALSE(front.match("a.experts.12.w1.b"));
    const DialectName back("decoder.{layer}.*");
    CHECK(back.match("decoder.7.a.b")->any == "a.b");
    CHECK(back.fill(*back.match("decoder.7.a.b")) == "decoder.7.a.b");
    CHECK_FALSE(back.match("xdecoder.7.a"));
}

TEST_CASE("parts of a name that may be missing give all its forms") {
    const TempDir directory;
    write_file(directory / "d.toml",
               "title = 'T'\n[[models]]\ntensors = [{ name = 'a.[{layer}.]b[.c]', to = 'x.{layer}' }]\n");
    const Dialect dialect = read_dialect(directory / "d.toml");
    std::vector<std::string> forms;
    for (const DialectName& name : dialect.models[0].rules[0].sources[0]) forms.push_back(name.text());
    CHECK(forms == std::vector<std::string>{"a.{layer}.b.c", "a.b.c", "a.{layer}.b", "a.b"});
}

TEST_CASE("the first models that have the class, or any class, count") {
    const TempDir directory;
    write_file(directory / "d.toml",
               "title = 'T'\n[[models]]\nclasses = ['A', 'B']\n[[models]]\nclasses = ['B', 'C']\n");
    const Dialect dialect = read_dialect(directory / "d.toml");
    CHECK(dialect.find("B") == &dialect.models[0]);
    CHECK(dialect.find("C") == &dialect.models[1]);
    CHECK(dialect.find("D") == nullptr);
    write_file(directory / "any.toml", "title = 'T'\n[[models]]\n");
    CHECK(read_dialect(directory / "any.toml").find("D") != nullptr);
}

TEST_CASE("mistakes in a dialect are told with their place") {
    CHECK(failure("tensors = [{ name = 'a', to = [] }]") ==
          ":4:31: it must have a target: what is left out stands under 'drop'");
    CHECK(failure("tensors = [{ name = [], to = 'a' }]") == ":4:21: a rule is for at least one name");
    CHECK(failure("tensors = [{ name = 'a[b', to = 'a' }]") == ":4:21: name 'a[b': a bracket has no partner");
    CHECK(failure("tensors = [{ name = '*a*', to = 'a' }]") == ":4:21: name '*a*': * can stand at one end only");
    CHECK(failure("tensors = [{ name = 'a*b', to = 'a' }]") == ":4:21: name 'a*b': * stands at an end of a name");
    CHECK(failure("tensors = [{ name = 'a', to = '*.a' }]") == ":4:31: '*.a' has a *, 'a' has none");
    CHECK(failure("tensors = [{ name = 'a', to = ['b.{x}', 'c.{y}'] }]") ==
          ":4:31: 'b.{x}' and 'c.{y}' have other placeholders");
    CHECK(failure("tensors = [{ name = 'a', to = ['b', { name = 'c', transpose = true }] }]") ==
          ":4:31: all of several targets, or none, say what they take");
    CHECK(failure("tensors = [{ name = ['a', 'b'], to = ['c', 'd'] }]") ==
          ":4:12: several tensors become one tensor: 'to' must be one name");
    CHECK(failure("tensors = [{ name = ['a.{e}', 'b'], to = 'c' }]") ==
          ":4:12: 'a.{e}' and 'b' have other placeholders");
    CHECK(failure("tensors = [{ name = ['a', 'b'], to = 'c.{layer}' }]") ==
          ":4:12: '{layer}' of the target is in no name");
    CHECK(failure("tensors = [{ name = ['a[.x]', 'b'], to = 'c' }]") ==
          ":4:12: a name of several that become one tensor has no [ ]");
    CHECK(failure("tensors = [{ name = 'a', to = 'c', along = 1 }]") == ":4:44: 'along' is for several names");
    CHECK(failure("tensors = [{ name = ['a', 'b'], to = 'c', only = [2] }]") ==
          ":4:12: 'only' is for rules of one tensor");
    CHECK(failure("like = 'Nobody'") == ":4:8: no models above are of that class");
    CHECK(failure("rename = [['a']]") == ":4:11: a rename is [\"how a name begins\", \"how it begins then\"]");
    CHECK(failure("others = 'drop'") == ":4:10: 'others' can only be \"keep\"");
    CHECK(failure("other = 'keep'").find("'other'") != std::string::npos);
    CHECK(
        failure("tensors = [{ name = 'a', to = { name = 'b', view = ['heads'], shape = ['heads'] } }]").find("heads") !=
        std::string::npos);
}

TEST_CASE("the dialects that come with the program are read") {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(bundled_models() + "/names")) {
        INFO(entry.path().string());
        CHECK_FALSE(read_dialect(entry.path().string()).models.empty());
        ++count;
    }
    CHECK(count > 0);
}
