// Where plugins are looked for, and which of several wins.

#include "plugins/plugin_loader.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>

namespace unshard {
namespace {

namespace fs = std::filesystem;

const fs::path kBadPlugins = UNSHARD_BAD_PLUGIN_DIR;

/// Directories `a` and `b`, empty; gone with the object. UNSHARD_PLUGIN_PATH is not set meanwhile.
struct TwoDirectories {
    TwoDirectories() {
        std::string name = (fs::temp_directory_path() / "unshard-loader-XXXXXX").string();
        root = fs::canonical(::mkdtemp(name.data()));
        fs::create_directory(a = root / "a");
        fs::create_directory(b = root / "b");
        ::unsetenv("UNSHARD_PLUGIN_PATH");
    }
    ~TwoDirectories() {
        ::unsetenv("UNSHARD_PLUGIN_PATH");
        fs::remove_all(root);
    }

    /// A working plugin, the reader 'scripted'.
    static fs::path add_plugin(const fs::path& directory) {
        const fs::path file = directory / "unshard-reader-scripted.so";
        fs::copy_file(kBadPlugins / file.filename(), file);
        return file;
    }
    static fs::path add_broken_plugin(const fs::path& directory, const std::string& name) {
        const fs::path file = directory / name;
        std::ofstream(file) << "";
        return file;
    }

    fs::path root, a, b;
};

constexpr const char* kEmptyFile = "cannot be loaded: file too short: rebuild or reinstall the plugin";

TEST_CASE("given directories come first, then the variable's, then those of the program") {
    const TwoDirectories dirs;
    ::setenv("UNSHARD_PLUGIN_PATH", dirs.b.c_str(), 1);
    const std::vector<fs::path> path = plugin_search_path({dirs.a});
    REQUIRE(path.size() == 4);
    CHECK(path[0] == dirs.a);
    CHECK(path[1] == dirs.b);
    CHECK(path[2] == fs::canonical("/proc/self/exe").parent_path().parent_path() / "lib/unshard/plugins");
    CHECK(path[3] == UNSHARD_INSTALLED_PLUGIN_DIR);
}

TEST_CASE("a directory is searched once, however often and in whatever spelling it is given") {
    const TwoDirectories dirs;
    fs::create_directory_symlink(dirs.a, dirs.root / "link");
    ::setenv("UNSHARD_PLUGIN_PATH", (dirs.a.string() + "/:" + dirs.b.string()).c_str(), 1);
    const std::vector<fs::path> path = plugin_search_path({dirs.root / "link", dirs.b / ".." / "a", dirs.a});
    REQUIRE(path.size() == 4);
    CHECK(path[0] == dirs.a);
    CHECK(path[1] == dirs.b);
}

TEST_CASE("empty elements of the variable never mean the working directory") {
    const TwoDirectories dirs;
    const std::vector<fs::path> without = plugin_search_path({});
    for (const char* const value : {"", ":", "::"}) {
        ::setenv("UNSHARD_PLUGIN_PATH", value, 1);
        CHECK(plugin_search_path({}) == without);
    }
    ::setenv("UNSHARD_PLUGIN_PATH", (":" + dirs.a.string() + ":").c_str(), 1);
    CHECK(plugin_search_path({}).size() == without.size() + 1);
}

TEST_CASE("a relative element of the variable is refused") {
    const TwoDirectories dirs;
    ::setenv("UNSHARD_PLUGIN_PATH", (dirs.a.string() + ":plugins").c_str(), 1);
    CHECK_THROWS_AS(plugin_search_path({}), UsageError);
    CHECK_THROWS_WITH(plugin_search_path({}),
                      "UNSHARD_PLUGIN_PATH: 'plugins' is a relative path: write it from '/' on");
}

TEST_CASE("a given directory that does not exist is refused, one of the variable is passed over") {
    const TwoDirectories dirs;
    const fs::path missing = dirs.root / "missing";
    CHECK_THROWS_AS(plugin_search_path({missing}), UsageError);
    CHECK_THROWS_WITH(plugin_search_path({missing}), "plugin path '" + missing.string() + "': no such directory");
    ::setenv("UNSHARD_PLUGIN_PATH", missing.c_str(), 1);
    CHECK(Plugins({plugin_search_path({}).front()}).names(PluginKind::reader).empty());
}

TEST_CASE("a plugin is found by name and usable") {
    const TwoDirectories dirs;
    TwoDirectories::add_plugin(dirs.b);
    const Plugins plugins({dirs.a, dirs.b});
    CHECK(plugins.names(PluginKind::reader) == std::vector<std::string>{"scripted"});
    CHECK(plugins.names(PluginKind::merger).empty());
    Request request;
    request.input = "right";
    CHECK(plugins.reader("scripted")->index(request).format == "scripted");
}

TEST_CASE("a plugin outlives the object that found it") {
    const TwoDirectories dirs;
    TwoDirectories::add_plugin(dirs.a);
    const std::unique_ptr<Reader> reader = Plugins({dirs.a}).reader("scripted");
    Request request;
    request.input = "right";
    CHECK(reader->index(request).format == "scripted");
}

TEST_CASE("an earlier directory shadows a later one") {
    const TwoDirectories dirs;
    const fs::path first = TwoDirectories::add_plugin(dirs.a);
    const fs::path second = TwoDirectories::add_plugin(dirs.b);
    const std::vector<FoundPlugin> found = Plugins({dirs.a, dirs.b}).list(PluginKind::reader);
    REQUIRE(found.size() == 2);
    CHECK(found[0].file == first);
    CHECK(found[0].shadowed_by.empty());
    CHECK(found[1].file == second);
    CHECK(found[1].shadowed_by == first);
    CHECK(Plugins({dirs.a, dirs.b}).names(PluginKind::reader) == std::vector<std::string>{"scripted"});
}

TEST_CASE("a refused plugin is an error, not a reason to take a later one") {
    const TwoDirectories dirs;
    const fs::path broken = TwoDirectories::add_broken_plugin(dirs.a, "unshard-reader-scripted.so");
    TwoDirectories::add_plugin(dirs.b);
    const Plugins plugins({dirs.a, dirs.b});
    CHECK_THROWS_WITH(plugins.reader("scripted"), fmt::format("{}: {}", broken.string(), kEmptyFile));
    CHECK(plugins.names(PluginKind::reader).empty());
}

TEST_CASE("a dangling link counts as a plugin that cannot be loaded") {
    const TwoDirectories dirs;
    const fs::path link = dirs.a / "unshard-reader-scripted.so";
    fs::create_symlink(dirs.root / "missing.so", link);
    TwoDirectories::add_plugin(dirs.b);
    CHECK_THROWS_WITH(Plugins({dirs.a, dirs.b}).reader("scripted"),
                      fmt::format("{}: cannot be loaded: cannot open shared object file: No such file or directory: "
                                  "rebuild or reinstall the plugin",
                                  link.string()));
}

TEST_CASE("a listing says what each plugin is, or why it is refused") {
    const TwoDirectories dirs;
    TwoDirectories::add_plugin(dirs.a);
    TwoDirectories::add_broken_plugin(dirs.a, "unshard-reader-broken.so");
    TwoDirectories::add_broken_plugin(dirs.a, "unshard-reader-two words.so");
    TwoDirectories::add_broken_plugin(dirs.a, "unshard-writer-other_kind.so");
    TwoDirectories::add_broken_plugin(dirs.a, "README");
    const std::vector<FoundPlugin> found = Plugins({dirs.a}).list(PluginKind::reader);
    REQUIRE(found.size() == 3);
    CHECK(found[0].name == "broken");
    CHECK(found[0].refusal == kEmptyFile);
    CHECK(found[1].name == "scripted");
    CHECK(found[1].version == "1.0");
    CHECK(found[1].summary == "does what its input says");
    CHECK(found[1].refusal.empty());
    CHECK(found[2].refusal == "'two words' cannot be a plugin's name: use letters, digits, '_' and '-'");
}

TEST_CASE("an unknown name is answered with what was searched, refused and is known") {
    const TwoDirectories dirs;
    TwoDirectories::add_plugin(dirs.b);
    const fs::path broken = TwoDirectories::add_broken_plugin(dirs.a, "unshard-reader-broken.so");
    const Plugins plugins({dirs.a, dirs.b});
    CHECK_THROWS_AS(plugins.reader("foo"), UsageError);
    CHECK_THROWS_WITH(plugins.reader("foo"),
                      fmt::format("no reader 'foo'. Looked in: {}, {}. Refused: {} ({}). Known readers: scripted",
                                  dirs.a.string(), dirs.b.string(), broken.string(), kEmptyFile));
    CHECK_THROWS_WITH(Plugins({dirs.a}).writer("foo"),
                      fmt::format("no writer 'foo'. Looked in: {}. Known writers: none", dirs.a.string()));
}

TEST_CASE("names that could lead elsewhere are refused") {
    const Plugins plugins({kBadPlugins});
    for (const std::string name : {"", "../x", "a/b", "x.so", "-x", "two words", "\xc3\xa9", "a\n"}) {
        CHECK_THROWS_AS(plugins.merger(name), UsageError);
        CHECK_THROWS_WITH(plugins.merger(name), "merger '" + name +
                                                    "': a plugin's name has letters, digits, '_' and '-' only; "
                                                    "directories are given by --plugin-path");
    }
}

}  // namespace
}  // namespace unshard
