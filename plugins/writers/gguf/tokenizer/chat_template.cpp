// Chat templates are in tokenizer_config.json, or since transformers 4.53 in files beside it. Follows gguf-py
// (SpecialVocab, GGUFWriter.add_chat_template): without a tokenizer_config.json there is no template.

#include "tokenizer/special_tokens.hpp"
#include "unshard/tools/ascii.hpp"
#include "unshard/tools/json_file.hpp"
#include "unshard/tools/model_directory.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

namespace unshard::gguf {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

/// additional_chat_templates/NAME.jinja, sorted by name.
std::vector<fs::path> additional_templates(const TokenizerFiles& files) {
    const fs::path directory = files.path("additional_chat_templates");
    std::vector<fs::path> found;
    if (!has_directory(directory)) return found;
    for (const std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
        if (!name.ends_with(".jinja")) continue;
        check_stays_in(files.directory, directory / name);
        found.push_back(directory / name);
    }
    return found;
}

json template_in_files(const TokenizerFiles& files) {
    if (files.has("chat_template.jinja")) {
        const json text = read_text(files.path("chat_template.jinja"));
        const std::vector<fs::path> more = additional_templates(files);
        if (more.empty()) return text;
        json list = json::array({{{"name", "default"}, {"template", text}}});
        for (const fs::path& path : more) {
            list.push_back({{"name", path.stem().string()}, {"template", read_text(path.string())}});
        }
        return list;
    }
    if (!files.has("chat_template.json")) return nullptr;
    return member(read_json(files.path("chat_template.json")), "chat_template");
}

/// Only ASCII letters and digits stay in a template's name.
std::string key_part(std::string name) {
    const auto is_other = [](char c) { return !is_ascii_letter(c) && !is_ascii_digit(c); };
    std::ranges::replace_if(name, is_other, '_');
    return name;
}

}  // namespace

void add_chat_templates(KeyValues& metadata, const TokenizerFiles& files) {
    if (files.settings.is_null() || files.settings.empty()) return;
    const json& own = member(files.settings, "chat_template");
    const json chosen = files.settings.contains("chat_template") ? own : template_in_files(files);
    if (chosen.is_string()) metadata.set("tokenizer.chat_template", chosen.get<std::string>());
    if (!chosen.is_array()) return;
    std::set<std::string> names;
    for (const json& item : chosen) {
        if (!member(item, "name").is_string() || !member(item, "template").is_string()) continue;
        const std::string name = key_part(member(item, "name").get<std::string>());
        const auto text = member(item, "template").get<std::string>();
        if (name == "default") {
            metadata.set("tokenizer.chat_template", text);
        } else if (!name.empty()) {
            names.insert(name);
            metadata.set("tokenizer.chat_template." + name, text);
        }
    }
    metadata.set("tokenizer.chat_templates", std::vector<std::string>(names.begin(), names.end()));
}

}  // namespace unshard::gguf
