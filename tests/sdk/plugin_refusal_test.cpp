// Every plugin of tests/sdk/bad_plugins that must not be used, with all that is said about it.

#include "plugins/plugin_loader.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

namespace unshard {
namespace {

const std::string kDirectory = UNSHARD_BAD_PLUGIN_DIR;
const Plugins kPlugins({kDirectory});

std::string refusal(const std::string& name, PluginKind kind = PluginKind::reader) {
    try {
        if (kind == PluginKind::reader) kPlugins.reader(name);
        if (kind == PluginKind::merger) kPlugins.merger(name);
        if (kind == PluginKind::writer) kPlugins.writer(name);
    } catch (const UsageError&) {
        return "a usage error";
    } catch (const Error& e) {
        return e.what();
    }
    return "accepted";
}

std::string expected(const std::string& name, const std::string& text, PluginKind kind = PluginKind::reader) {
    return fmt::format("{}/{}: {}", kDirectory, plugin_file_name(kind, name), text);
}

TEST_CASE("a file that is no library is refused") {
    CHECK(refusal("not_a_library") ==
          expected("not_a_library", "cannot be loaded: invalid ELF header: rebuild or reinstall the plugin"));
}

TEST_CASE("a plugin that needs a symbol nobody has is refused when it is opened") {
    CHECK(refusal("undefined_symbol") ==
          expected("undefined_symbol",
                   "cannot be loaded: undefined symbol: unshard_no_such_function: rebuild or reinstall the plugin"));
}

TEST_CASE("a library that is no plugin is refused") {
    CHECK(refusal("no_symbol") == expected("no_symbol", "no symbol 'unshard_plugin': not an unshard plugin"));
}

TEST_CASE("a symbol that is something else is refused") {
    CHECK(refusal("wrong_magic") == expected("wrong_magic",
                                             "symbol 'unshard_plugin' begins with 0x0000000000001234, expected "
                                             "0x0044524148534e55: not an unshard plugin"));
}

TEST_CASE("another major version of the ABI is refused before anything else is looked at") {
    CHECK(refusal("wrong_major") ==
          expected("wrong_major", "plugin ABI 2.0, this unshard speaks 1.0: rebuild the plugin against SDK 1.x"));
}

TEST_CASE("a plugin that needs a later minor version is refused") {
    CHECK(refusal("newer_minor") ==
          expected("newer_minor", "needs plugin ABI 1.7, this unshard speaks 1.0: update unshard"));
}

TEST_CASE("a plugin description that ends early is refused") {
    CHECK(refusal("short_info") ==
          expected("short_info",
                   "its unshard_plugin_info has 56 bytes, ABI 1.0 has 64: this is a mistake in the "
                   "plugin, tell its author"));
}

TEST_CASE("a plugin of no known kind is refused") {
    CHECK(refusal("unknown_kind") ==
          expected("unknown_kind", "its kind 9 is none of 1 to 3: this is a mistake in the plugin, tell its author"));
}

TEST_CASE("a plugin of another kind or name than its file's is refused") {
    CHECK(refusal("wrong_kind") ==
          expected("wrong_kind",
                   "holds writer 'wrong_kind', its file name says reader 'wrong_kind': call it "
                   "unshard-writer-wrong_kind.so"));
    CHECK(refusal("wrong_name") == expected("wrong_name",
                                            "holds reader 'other', its file name says reader "
                                            "'wrong_name': call it unshard-reader-other.so"));
}

TEST_CASE("a plugin without a name, version, summary or table is refused") {
    for (const std::string what : {"name", "version", "summary", "table"}) {
        CHECK(refusal("null_" + what) ==
              expected("null_" + what, "its " + what + " is null: this is a mistake in the plugin, tell its author"));
    }
}

TEST_CASE("a plugin whose table lacks a function is refused") {
    const auto text = [](const std::string& function) {
        return "its function '" + function + "' is null: this is a mistake in the plugin, tell its author";
    };
    CHECK(refusal("null_probe") == expected("null_probe", text("probe")));
    CHECK(refusal("null_index") == expected("null_index", text("index")));
    CHECK(refusal("null_plan", PluginKind::merger) == expected("null_plan", text("plan"), PluginKind::merger));
    CHECK(refusal("null_layout", PluginKind::writer) == expected("null_layout", text("layout"), PluginKind::writer));
}

TEST_CASE("a plugin whose table ends early is refused") {
    const auto check = [](PluginKind kind, int found, int due) {
        CHECK(refusal("short_table", kind) ==
              expected("short_table",
                       fmt::format("its table has {} bytes, ABI 1.0 has {}: this is a mistake in the plugin, tell "
                                   "its author",
                                   found, due),
                       kind));
    };
    check(PluginKind::reader, 16, 24);
    check(PluginKind::merger, 8, 16);
    check(PluginKind::writer, 16, 32);
}

TEST_CASE("a writer without encodings of its own is accepted") {
    CHECK(refusal("no_encode", PluginKind::writer) == "accepted");
}

}  // namespace
}  // namespace unshard
