// The last table of docs/pipeline.md has every option of every bundled plugin, and no other.

#include "cli/checkpoints.hpp"
#include "support/catch.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

#include <map>
#include <set>
#include <sstream>

using namespace unshard::test;

namespace {

using Options = std::set<std::string>;

/// The text between the first two backticks.
std::string in_backticks(const std::string& cell) {
    const std::size_t begin = cell.find('`');
    if (begin == std::string::npos) return "";
    return cell.substr(begin + 1, cell.find('`', begin + 1) - begin - 1);
}

/// By "reader fsdp", and so on. A row without a plugin goes on with the one above.
std::map<std::string, Options> documented_options() {
    const std::string text = read_file(UNSHARD_SOURCE_DIR "/docs/pipeline.md");
    const std::string heading = "\n## Options of plugins\n";
    REQUIRE(text.find(heading) != std::string::npos);
    std::istringstream lines(text.substr(text.find(heading)));
    std::map<std::string, Options> documented;
    std::string plugin;
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("| ")) continue;
        std::istringstream row(line.substr(2));
        std::string name, option;
        std::getline(row, name, '|');
        std::getline(row, option, '|');
        if (!in_backticks(name).empty()) plugin = name.substr(0, name.find(' ')) + " " + in_backticks(name);
        if (plugin.empty()) continue;  // the table's head
        documented[plugin];
        if (!in_backticks(option).empty()) documented[plugin].insert(in_backticks(option));
    }
    return documented;
}

/// What the plugin says it knows when it is given something else. `words` choose it.
Options known_options(const std::string& section, const std::vector<std::string>& words) {
    std::vector<std::string> all = {"plan", qwen3(), "-o", "/nowhere", "--set", section + ".options.qqqq=1"};
    all.insert(all.end(), words.begin(), words.end());
    const std::string said = unshard_process(all).err;
    INFO(said);
    REQUIRE(said.find("unknown option 'qqqq': ") != std::string::npos);
    Options known;
    static const std::string kKnown = "known are ";
    if (said.find(kKnown) == std::string::npos) return known;
    std::string names = said.substr(said.find(kKnown) + kKnown.size());
    std::erase(names, '\n');
    std::istringstream list(names);
    for (std::string name; std::getline(list >> std::ws, name, ',');) known.insert(name);
    return known;
}

}  // namespace

TEST_CASE("the documentation has the options of the bundled plugins") {
    std::map<std::string, Options> known;
    for (const char* name : {"fsdp", "dcp", "dcp_hf", "safetensors", "gguf", "torch_file"}) {
        known[std::string("reader ") + name] = known_options("input", {"--reader", name});
    }
    for (const char* name : {"placement", "tensor_parallel", "concat"}) {
        known[std::string("merger ") + name] = known_options("merge", {"--merger", name});
    }
    for (const char* name : {"safetensors", "gguf"}) {
        known[std::string("writer ") + name] = known_options("output", {"--to", name});
    }
    const std::map<std::string, Options> documented = documented_options();
    for (const auto& [plugin, options] : known) {
        INFO(plugin);
        REQUIRE(documented.contains(plugin));
        CHECK(documented.at(plugin) == options);
    }
    CHECK(documented.size() == known.size());
}
