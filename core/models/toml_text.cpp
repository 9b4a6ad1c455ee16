// toml++ takes a dotted key apart without a limit, and its tables are destroyed by recursion. So the depth is counted
// before it parses: dots of keys, and brackets of arrays and inline tables, of one statement.

#include "models/toml_text.hpp"

#include "unshard/tools/input_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace unshard {
namespace {

using nlohmann::json;

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

/// The recursion is as deep as parse_toml allows.
class JsonMaker {
public:
    explicit JsonMaker(const SeeValue& see) : see_(see) {}

    json make(const toml::node& node, const json::json_pointer& at) {
        if (see_) see_(at, node);
        if (const auto* table = node.as_table()) {
            json object = json::object();
            for (const auto& [key, value] : *table) {
                const std::string name(key.str());
                object[name] = make(value, at / name);
            }
            return object;
        }
        if (const auto* array = node.as_array()) {
            json list = json::array();
            for (std::size_t i = 0; i < array->size(); ++i) list.push_back(make((*array)[i], at / i));
            return list;
        }
        return value_of(node, at);
    }

private:
    static json value_of(const toml::node& node, const json::json_pointer& at) {
        if (const auto* text = node.as_string()) return text->get();
        if (const auto* flag = node.as_boolean()) return flag->get();
        if (const auto* number = node.as_integer()) {
            if (number->get() >= 0) return static_cast<std::uint64_t>(number->get());  // as JSON's text is read
            return number->get();
        }
        if (const auto* number = node.as_floating_point(); number && std::isfinite(number->get())) return number->get();
        throw UsageError(fmt::format("'{}' is a date, a time or a number that is not finite, which has no use here",
                                     at.to_string()));
    }

    const SeeValue& see_;
};

}  // namespace

nlohmann::json json_of(const toml::node& node, const SeeValue& see) {
    return JsonMaker(see).make(node, nlohmann::json::json_pointer());
}

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
