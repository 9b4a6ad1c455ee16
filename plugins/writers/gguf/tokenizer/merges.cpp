#include "tokenizer/merges.hpp"

#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <array>
#include <sstream>
#include <string_view>
#include <unordered_set>

namespace unshard::gguf {
namespace {

Merge merge_of(const nlohmann::json& merge, const std::string& where) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        return {merge[0].get<std::string>(), merge[1].get<std::string>()};
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const std::size_t space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
        throw Error(fmt::format("{}: the merge {} is neither two texts nor one with a space between them", where,
                                merge.dump()));
    }
    return {text.substr(0, space), text.substr(space + 1)};
}

/// merges.txt: a comment, then two parts a line.
std::vector<Merge> merges_of_text(const std::string& path) {
    std::istringstream lines(read_text(path));
    std::vector<Merge> merges;
    std::string line;
    for (bool is_first = true; std::getline(lines, line); is_first = false) {
        if (is_first && line.starts_with('#')) continue;
        std::istringstream words(line);
        std::array<std::string, 3> parts;
        words >> parts[0] >> parts[1] >> parts[2];
        if (!parts[1].empty() && parts[2].empty()) merges.push_back({parts[0], parts[1]});
    }
    return merges;
}

void check_known(const std::vector<Merge>& merges, const nlohmann::json& vocabulary, const std::string& where) {
    std::unordered_set<std::string_view> known;
    for (const auto& [text, id] : vocabulary.items()) known.insert(text);
    for (const Merge& merge : merges) {
        for (const std::string& text : {merge.left, merge.right, merge.left + merge.right}) {
            if (known.contains(text)) continue;
            throw Error(
                fmt::format("{}: the merge of '{}' and '{}' is of '{}', which the vocabulary does not have: the file "
                            "is damaged: take it from the model again",
                            where, merge.left, merge.right, text));
        }
    }
}

}  // namespace

std::vector<Merge> load_merges(const TokenizerFiles& files) {
    const std::string where = files.path("tokenizer.json");
    std::vector<Merge> merges;
    const nlohmann::json& list = member(member(files.tokenizer, "model"), "merges");
    if (list.is_array()) {
        merges.reserve(list.size());
        for (const nlohmann::json& merge : list) merges.push_back(merge_of(merge, where));
    }
    const bool is_text = merges.empty() && files.has("merges.txt");
    if (is_text) merges = merges_of_text(files.path("merges.txt"));
    if (merges.empty()) throw Error(where + ": there are no merges in it, and no merges.txt beside it");
    check_known(merges, member(member(files.tokenizer, "model"), "vocab"), is_text ? files.path("merges.txt") : where);
    return merges;
}

}  // namespace unshard::gguf
