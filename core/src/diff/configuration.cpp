#include "diff/configuration.hpp"

#include "unshard/tools/directory.hpp"
#include "unshard/tools/input_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace unshard {
namespace {

using nlohmann::json;

constexpr std::uint64_t kChunkBytes = 1 << 20;
constexpr std::array<std::string_view, 4> kFreeKeys = {"dtype", "torch_dtype", "transformers_version", "_name_or_path"};
constexpr std::array<std::string_view, 7> kTokenizerBegins = {
    "tokenizer", "vocab", "merges", "added_tokens", "special_tokens_map", "chat_template", "tekken"};
constexpr std::array<std::string_view, 3> kTokenizerEnds = {".jinja", ".model", ".tiktoken"};

std::string shown(const json* value) {
    if (!value) return "absent";
    const std::string text = value->dump(-1, ' ', false, json::error_handler_t::replace);
    return text.size() <= 60 ? text : text.substr(0, 60) + "...";
}

/// Differences of the values at `path` and below, without recursion.
void compare_values(const json& a, const json& b, std::vector<std::string>& different) {
    struct Pair {
        std::string path;
        const json *a, *b;
    };
    std::vector<Pair> open = {{"", &a, &b}};
    while (!open.empty()) {
        const Pair pair = std::move(open.back());
        open.pop_back();
        if (pair.a && pair.b && pair.a->is_object() && pair.b->is_object()) {
            std::set<std::string> keys;
            for (const json* object : {pair.a, pair.b}) {
                for (const auto& [key, value] : object->items()) keys.insert(key);
            }
            for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
                if (std::ranges::find(kFreeKeys, *key) != kFreeKeys.end()) continue;
                const auto in = [&](const json& object) { return object.contains(*key) ? &object.at(*key) : nullptr; };
                open.push_back({pair.path.empty() ? *key : pair.path + "." + *key, in(*pair.a), in(*pair.b)});
            }
        } else if (!pair.a || !pair.b || *pair.a != *pair.b) {
            different.push_back(fmt::format("config.json: '{}' is {} and {}", pair.path, shown(pair.a), shown(pair.b)));
        }
    }
}

bool is_tokenizer_file(std::string_view name) {
    return std::ranges::any_of(kTokenizerBegins, [&](std::string_view s) { return name.starts_with(s); }) ||
           std::ranges::any_of(kTokenizerEnds, [&](std::string_view s) { return name.ends_with(s); });
}

bool is_compared(const std::string& name) {
    if (name == "config.json" || name.ends_with(".index.json")) return false;
    return is_tokenizer_file(name) || name.ends_with(".json");
}

std::set<std::string> files_in(const std::string& directory) {
    std::set<std::string> names;
    for (const std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
        if (is_compared(name) && kind_of(directory + "/" + name) == PathKind::file) names.insert(name);
    }
    return names;
}

bool same_bytes(const InputFile& a, std::uint64_t from_a, const InputFile& b, std::uint64_t from_b,
                std::uint64_t bytes) {
    for (std::uint64_t done = 0; done < bytes; done += kChunkBytes) {
        const std::uint64_t count = std::min(kChunkBytes, bytes - done);
        if (a.read(from_a + done, count) != b.read(from_b + done, count)) return false;
    }
    return true;
}

bool is_same_file(const std::string& path_a, const std::string& path_b) {
    const InputFile a(path_a), b(path_b);
    return a.bytes() == b.bytes() && same_bytes(a, 0, b, 0, a.bytes());
}

void compare_directories(const Model& a, const Model& b, ConfigurationDifference& result) {
    const std::size_t before = result.different.size();
    json config_a = a.config.file, config_b = b.config.file;
    config_a.merge_patch(a.config_changes);
    config_b.merge_patch(b.config_changes);
    compare_values(config_a, config_b, result.different);
    if (result.different.size() == before) result.equal.emplace_back("config.json");
    const std::set<std::string> files_a = files_in(a.assets), files_b = files_in(b.assets);
    for (const std::string& name : files_a) {
        if (!files_b.contains(name)) {
            if (is_tokenizer_file(name)) result.different.push_back(fmt::format("{}: only beside A", name));
        } else if (is_same_file(a.assets + "/" + name, b.assets + "/" + name)) {
            result.equal.push_back(name);
        } else {
            result.different.push_back(fmt::format("{}: its bytes differ", name));
        }
    }
    for (const std::string& name : files_b) {
        if (!files_a.contains(name) && is_tokenizer_file(name))
            result.different.push_back(fmt::format("{}: only beside B", name));
    }
}

/// The entries of `keys` by name. An entry of an array says where its bytes lie in the model's first file.
std::map<std::string, const json*> keys_of(const Model& model) {
    std::map<std::string, const json*> keys;
    for (const json& entry : model.index.metadata.at("keys")) keys.emplace(entry.at("key").get<std::string>(), &entry);
    return keys;
}

bool is_same_key(const json& a, const json& b, const InputFile& file_a, const InputFile& file_b) {
    if (a.at("type") != b.at("type")) return false;
    if (!a.contains("offset") || !b.contains("offset")) return a.at("value") == b.at("value");
    const auto bytes = a.at("bytes").get<std::uint64_t>();
    return bytes == b.at("bytes").get<std::uint64_t>() &&
           same_bytes(file_a, a.at("offset").get<std::uint64_t>(), file_b, b.at("offset").get<std::uint64_t>(), bytes);
}

void compare_keys(const Model& a, const Model& b, ConfigurationDifference& result) {
    const auto keys_a = keys_of(a), keys_b = keys_of(b);
    const InputFile file_a(a.index.files.front().path), file_b(b.index.files.front().path);
    for (const auto& [key, entry] : keys_a) {
        const auto other = keys_b.find(key);
        if (other == keys_b.end()) {
            result.different.push_back(fmt::format("key '{}': only in A", key));
        } else if (!is_same_key(*entry, *other->second, file_a, file_b)) {
            result.different.push_back(fmt::format("key '{}' is {} and {}", key, shown(&entry->at("value")),
                                                   shown(&other->second->at("value"))));
        }
    }
    for (const auto& [key, entry] : keys_b) {
        if (!keys_a.contains(key)) result.different.push_back(fmt::format("key '{}': only in B", key));
    }
    if (result.different.empty()) result.equal.push_back(fmt::format("{} keys", keys_a.size()));
}

bool has_keys(const Model& model) {
    return model.index.metadata.contains("keys") && !model.index.files.empty();
}

}  // namespace

ConfigurationDifference compare_configuration(const Model& a, const Model& b) {
    ConfigurationDifference result;
    if (has_keys(a) && has_keys(b)) {
        compare_keys(a, b, result);
    } else if (has_keys(a) || has_keys(b)) {
        result.not_compared = fmt::format("{} keeps its configuration in keys, {} in files", has_keys(a) ? "A" : "B",
                                          has_keys(a) ? "B" : "A");
    } else if (a.config.file.is_object() && b.config.file.is_object()) {
        compare_directories(a, b, result);
    } else {
        const bool neither = !a.config.file.is_object() && !b.config.file.is_object();
        result.not_compared = neither ? "there is no config.json"
                                      : fmt::format("{} has no config.json", a.config.file.is_object() ? "B" : "A");
    }
    return result;
}

}  // namespace unshard
