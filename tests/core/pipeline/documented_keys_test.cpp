// docs/pipeline.md has every key that a pipeline can have, in its section, and no other; its examples are read, and its
// defaults are those of the program.

#include "pipeline/pipeline.hpp"
#include "support/catch.hpp"
#include "support/error_text.hpp"
#include "support/temp_dir.hpp"

#include <map>
#include <set>
#include <sstream>

using namespace unshard;
using namespace unshard::test;

namespace {

const std::string kTopLevel = "Top level";
const std::vector<std::string> kSections = {"[input]", "[merge]", "[select]", "[[output]]", "[engine]"};

/// A heading "### `name`", the line of facts below it, and the first indented line.
struct Key {
    std::string section, name, facts, example;
};

std::vector<Key> documented_keys() {
    std::istringstream text(read_file(UNSHARD_SOURCE_DIR "/docs/pipeline.md"));
    std::vector<Key> keys;
    std::string section;
    for (std::string line; std::getline(text, line);) {
        if (line.starts_with("## ")) {
            section = line.substr(3);
        } else if (line.starts_with("### `") && line.ends_with('`')) {
            keys.push_back({section, line.substr(5, line.size() - 6), "", ""});
        } else if (!keys.empty() && !line.empty()) {
            Key& key = keys.back();
            if (key.facts.empty()) {
                key.facts = line;
            } else if (key.example.empty() && line.starts_with("    ")) {
                key.example = line.substr(4);
            }
        }
    }
    return keys;
}

/// The least that a pipeline can be, with these lines in one section.
std::string pipeline_with(const std::string& section, const std::string& lines) {
    const bool has_version = section == kTopLevel && lines.starts_with("version = ");
    std::string text = has_version ? "" : "version = 1\n";
    if (section == kTopLevel) text += lines + "\n";
    for (const std::string& header : kSections) {
        const std::string own = header == section ? lines : "";
        text += header + "\n" + own + "\n";
        const bool needs_path = header == "[input]" || header == "[[output]]";
        if (needs_path && !own.starts_with("path = ")) text += "path = '" + header.substr(1, 3) + "'\n";
    }
    return text;
}

/// The pipeline that a file has, printed again.
std::string loaded(const std::string& text) {
    static const TempDir kDirectory;
    write_file(kDirectory / "p.toml", text);
    return to_toml(load_pipeline(kDirectory / "p.toml", {}, true));
}

/// What a message about an unknown key says is known.
std::set<std::string> known_keys(const std::string& section) {
    static const std::string kKnown = "known are ";
    const std::string message = error_of([&] { loaded(pipeline_with(section, "qqqqqqqqqqqqqqqq = 1")); });
    const std::size_t begin = message.find(kKnown);
    REQUIRE(begin != std::string::npos);
    std::set<std::string> keys;
    std::istringstream names(message.substr(begin + kKnown.size()));
    for (std::string name; std::getline(names >> std::ws, name, ',');) keys.insert(name);
    return keys;
}

/// `value` of "default `value`"; empty where the default is something else.
std::string documented_default(const Key& key) {
    static const std::string kDefault = "default `";
    const std::size_t begin = key.facts.find(kDefault);
    if (begin == std::string::npos) return "";
    const std::string rest = key.facts.substr(begin + kDefault.size());
    return rest.substr(0, rest.find('`'));
}

}  // namespace

TEST_CASE("the documentation has the keys of a pipeline, each in its section") {
    std::map<std::string, std::set<std::string>> documented;
    for (const Key& key : documented_keys()) {
        INFO(key.section << " " << key.name);
        CHECK(documented[key.section].insert(key.name).second);
    }
    CHECK(documented.size() == kSections.size() + 1);
    for (const std::string& section : kSections) {
        INFO(section);
        CHECK(documented[section] == known_keys(section));
        const std::size_t begin = section.rfind('[') + 1;
        documented[kTopLevel].insert(section.substr(begin, section.find(']') - begin));
    }
    CHECK(documented[kTopLevel] == known_keys(kTopLevel));
}

TEST_CASE("documented examples of keys are read") {
    for (const Key& key : documented_keys()) {
        INFO(key.section << " " << key.example);
        CHECK(key.example.starts_with(key.name + " = "));
        CHECK(error_of([&] { loaded(pipeline_with(key.section, key.example)); }).empty());
    }
}

TEST_CASE("documented defaults of keys are what a pipeline without them has") {
    std::size_t checked = 0;
    for (const Key& key : documented_keys()) {
        const std::string value = documented_default(key);
        if (value.empty()) continue;
        INFO(key.section << " " << key.name << " = " << value);
        CHECK(loaded(pipeline_with(key.section, key.name + " = " + value)) == loaded(pipeline_with(key.section, "")));
        ++checked;
    }
    CHECK(checked > 15);
}
