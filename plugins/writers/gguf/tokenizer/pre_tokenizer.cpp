// convert_hf_to_gguf.py looks up a hash of token ids, which it has of published vocabularies only. Here the regular
// expressions of tokenizer.json are compared with those that llama.cpp has for each name.

#include "tokenizer/pre_tokenizer.hpp"

#include "tokenizer/files.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/edit_distance.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace unshard::gguf {
namespace {

/// Tokenizers have line ends in their patterns as characters or as escapes; they mean the same.
std::string with_escapes(const std::string& pattern) {
    std::string result;
    for (const char c : pattern) {
        if (c == '\r') {
            result += "\\r";
        } else if (c == '\n') {
            result += "\\n";
        } else {
            result += c;
        }
    }
    return result;
}

std::string split_step(const nlohmann::json& step) {
    const nlohmann::json& pattern = member(step, "pattern");
    const bool is_regex = member(pattern, "Regex").is_string();
    const nlohmann::json& text = member(pattern, is_regex ? "Regex" : "String");
    const std::string behavior =
        member(step, "behavior").is_string() ? member(step, "behavior").get<std::string>() : "";
    std::string name = is_regex ? "split " : "split at text ";
    if (behavior != "Isolated") name = fmt::format("split ({}) ", behavior);
    if (member(step, "invert") == true) name = "inverted " + name;
    return name + (text.is_string() ? with_escapes(text.get<std::string>()) : "");
}

std::string step_of(const nlohmann::json& step) {
    const nlohmann::json& type = member(step, "type");
    if (type == "Split") return split_step(step);
    if (type == "ByteLevel") return member(step, "use_regex") == false ? "bytes" : "words and bytes";
    if (type == "Digits") return member(step, "individual_digits") == true ? "digits one by one" : "digits";
    if (type == "Punctuation") {
        const nlohmann::json& behavior = member(step, "behavior");
        return "punctuation " + (behavior.is_string() ? behavior.get<std::string>() : "Isolated");
    }
    return type.is_string() ? type.get<std::string>() : "a step without a type";
}

std::string joined(const std::vector<std::string>& steps) {
    return fmt::format("{}", fmt::join(steps, "; "));
}

bool has_token(const nlohmann::json& tokenizer, const std::string& text) {
    if (member(member(tokenizer, "model"), "vocab").contains(text)) return true;
    const nlohmann::json& added = member(tokenizer, "added_tokens");
    return std::any_of(added.begin(), added.end(), [&](const auto& token) { return member(token, "content") == text; });
}

bool fits(const PreTokenizer& known, const std::vector<std::string>& steps, const nlohmann::json& tokenizer) {
    const bool ignores_merges = member(member(tokenizer, "model"), "ignore_merges") == true;
    return known.steps == steps && (known.token.empty() || has_token(tokenizer, known.token)) &&
           known.ignore_merges.value_or(ignores_merges) == ignores_merges;
}

/// Of the first 1000 characters, which bounds the work.
std::size_t distance(std::string_view a, std::string_view b) {
    return edit_distance(a.substr(0, 1000), b.substr(0, 1000));
}

}  // namespace

std::vector<PreTokenizer> pre_tokenizers_of(const Document& file) {
    const Node root(file);
    root.check_keys({"names", "pre_tokenizer"});
    std::vector<PreTokenizer> result;
    for (const Node& table : root.tables("pre_tokenizer")) {
        table.check_keys({"name", "steps", "token", "ignore_merges"});
        PreTokenizer known{table.text("name"), table.texts("steps"), {}, {}};
        if (table.has("token")) known.token = table.text("token");
        if (table.has("ignore_merges")) known.ignore_merges = table.flag("ignore_merges");
        result.push_back(std::move(known));
    }
    return result;
}

void check_pre_tokenizer_name(const std::string& name, const Document& file) {
    const std::vector<std::string> names = Node(file).texts("names");
    if (contains(names, name)) return;
    throw UsageError(
        fmt::format("option 'pre': '{}' is not known to llama.cpp: known are {}", name, fmt::join(names, " ")));
}

std::vector<std::string> steps_of(const nlohmann::json& pre_tokenizer) {
    std::vector<std::string> steps;
    for (const nlohmann::json* step : steps_in_order(pre_tokenizer, "pretokenizers")) steps.push_back(step_of(*step));
    return steps;
}

std::string pre_tokenizer_name(const nlohmann::json& tokenizer, const std::vector<PreTokenizer>& known,
                               const std::string& where) {
    const std::vector<std::string> steps = steps_of(member(tokenizer, "pre_tokenizer"));
    const auto found =
        std::find_if(known.begin(), known.end(), [&](const auto& k) { return fits(k, steps, tokenizer); });
    if (found != known.end()) return found->name;
    const std::string text = joined(steps);
    std::string message = fmt::format("{}: its pre-tokenizer is not known to llama.cpp: {}", where, text);
    const auto nearest = std::min_element(known.begin(), known.end(), [&](const auto& a, const auto& b) {
        return distance(text, joined(a.steps)) < distance(text, joined(b.steps));
    });
    if (nearest != known.end())
        message += fmt::format(": the nearest is '{}': {}", nearest->name, joined(nearest->steps));
    throw Error(message + ": name the one that splits alike, --set output.options.pre=NAME");
}

}  // namespace unshard::gguf
