// toml++ takes a dotted key apart without a limit, and its tables are destroyed by recursion. So the depth is counted
// before it parses: dots of keys, and brackets of arrays and inline tables, of one statement.

#include "models/toml_text.hpp"

#include "unshard/tools/input_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace unshard {
namespace {

constexpr std::uint64_t kMaxBytes = 16 << 20;
constexpr std::size_t kMaxDepth = 100;

/// Where the string that begins at `at` ends, of one of the four kinds.
std::size_t end_of_string(std::string_view text, std::size_t at) {
    const char quote = text[at];
    const std::string three(3, quote);
    const bool is_long = text.substr(at, 3) == three;
    at += is_long ? 3 : 1;
    while (at < text.size()) {
        if (text[at] == '\\' && quote == '"') {
            at += 2;
        } else if (is_long ? text.substr(at, 3) == three : text[at] == quote || text[at] == '\n') {
            return at + (is_long ? 3 : 1);
        } else {
            ++at;
        }
    }
    return text.size();
}

/// The depth of the place that is being read.
class Depth {
public:
    void take(char c) {
        if (c == '.') ++dots_.back();
        if (c == '[' || c == '{') dots_.push_back(0);
        if ((c == ']' || c == '}') && dots_.size() > 1) dots_.pop_back();
        if (c == ',' || (c == '\n' && dots_.size() == 1)) dots_.back() = 0;
        if (c == '.' || c == '[' || c == '{') check();
    }

private:
    void check() const {
        std::size_t depth = dots_.size() - 1;
        for (const std::size_t dots : dots_) depth += dots;
        if (depth > kMaxDepth) throw UsageError(fmt::format("nested deeper than {} levels", kMaxDepth));
    }

    std::vector<std::size_t> dots_{0};  ///< of the statement, then of each bracket that is open
};

void check_depth(std::string_view text) {
    Depth depth;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == '"' || text[at] == '\'') {
            at = end_of_string(text, at);
        } else if (text[at] == '#') {
            at = std::min(text.find('\n', at), text.size());
        } else {
            depth.take(text[at++]);
        }
    }
}

}  // namespace

std::string read_toml_text(const std::string& path) {
    try {
        const InputFile file(path);
        if (file.bytes() <= kMaxBytes) return file.read(0, file.bytes());
        throw Error(
            fmt::format("{}: {} bytes are too many for a TOML file (at most {})", path, file.bytes(), kMaxBytes));
    } catch (const Error& e) {
        throw UsageError(e.what());
    }
}

toml::table parse_toml(std::string_view text, const std::string& name) {
    try {
        check_depth(text);
    } catch (const UsageError& e) {
        throw UsageError(fmt::format("{}: {}", name, e.what()));
    }
    return toml::parse(text, name);
}

}  // namespace unshard
