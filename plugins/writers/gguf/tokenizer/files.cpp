#include "files.hpp"

#include "unshard/tools/input_file.hpp"
#include "unshard/tools/json_file.hpp"
#include "unshard/tools/model_directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <ranges>

namespace unshard::gguf {
namespace {

nlohmann::json read_object(const TokenizerFiles& files, const std::string& name) {
    if (!files.has(name)) return nullptr;
    auto object = read_json(files.path(name), kMaxVocabularyBytes);
    if (!object.is_object()) throw Error(files.path(name) + ": is not a JSON object");
    return object;
}

/// What transformers makes of vocab.json and merges.txt, in tokenizer.json's form: the pre-tokenizer is the class's.
nlohmann::json tokenizer_of_parts(const TokenizerFiles& files) {
    using nlohmann::json;
    static constexpr const char* kQwen2Words =
        R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
    const std::string name = text_member(files.settings, "tokenizer_class", files.path("tokenizer_config.json"));
    const json bytes = {{"type", "ByteLevel"}, {"use_regex", !name.starts_with("Qwen2")}};
    json cut = bytes;
    if (name.starts_with("Qwen2")) {
        const json words = {{"type", "Split"}, {"pattern", {{"Regex", kQwen2Words}}}, {"behavior", "Isolated"}};
        cut = {{"type", "Sequence"}, {"pretokenizers", {words, bytes}}};
    } else if (!name.starts_with("GPT2")) {
        throw Error(
            fmt::format("{}: there is no tokenizer.json, and what class '{}' makes of vocab.json and merges.txt is not "
                        "known: load and save the tokenizer with transformers",
                        files.directory, name));
    }
    std::vector<json> added;
    for (const auto& [text, id] : files.added.items()) added.push_back({{"id", id}, {"content", text}});
    std::ranges::sort(added, {}, [](const json& token) { return token["id"]; });
    return {{"model", {{"type", "BPE"}, {"vocab", read_object(files, "vocab.json")}}},
            {"pre_tokenizer", cut},
            {"added_tokens", added}};
}

}  // namespace

bool TokenizerFiles::has(const std::string& name) const {
    return has_model_file(directory, name);
}

TokenizerFiles read_tokenizer_files(const std::string& directory) {
    TokenizerFiles files;
    files.directory = directory;
    files.tokenizer = read_object(files, "tokenizer.json");
    files.settings = read_object(files, "tokenizer_config.json");
    files.added = read_object(files, "added_tokens.json");
    files.config = read_object(files, "config.json");
    const bool has_parts = files.has("vocab.json") && files.has("merges.txt");
    if (files.tokenizer.is_null() && has_parts && !files.has("tokenizer.model")) {
        files.tokenizer = tokenizer_of_parts(files);
    }
    return files;
}

std::string read_text(const std::string& path) {
    const InputFile file(path);
    if (file.bytes() > kMaxVocabularyBytes) {
        throw Error(fmt::format("{}: {} bytes are too many for a tokenizer's file", path, file.bytes()));
    }
    return file.read(0, file.bytes());
}

const nlohmann::json& member(const nlohmann::json& object, const std::string& key) {
    static const nlohmann::json kNull;
    if (!object.is_object()) return kNull;
    const auto found = object.find(key);
    return found == object.end() ? kNull : *found;
}

std::string text_member(const nlohmann::json& object, const std::string& key, const std::string& where) {
    const nlohmann::json& value = member(object, key);
    if (value.is_null()) return {};
    if (!value.is_string()) throw Error(fmt::format("{}: '{}' is {}, it must be text", where, key, value.dump()));
    return value.get<std::string>();
}

std::vector<const nlohmann::json*> steps_in_order(const nlohmann::json& step, const char* list) {
    std::vector<const nlohmann::json*> steps, pending = {&step};
    while (!pending.empty()) {
        const nlohmann::json& next = *pending.back();
        pending.pop_back();
        const nlohmann::json& inner = member(next, list);
        if (inner.is_array()) {
            for (auto i = inner.rbegin(); i != inner.rend(); ++i) pending.push_back(&*i);
        } else if (!next.is_null()) {
            steps.push_back(&next);
        }
    }
    return steps;
}

}  // namespace unshard::gguf
