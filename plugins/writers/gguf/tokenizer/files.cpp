#include "files.hpp"

#include "unshard/input_file.hpp"
#include "unshard/json_file.hpp"
#include "unshard/model_directory.hpp"

namespace unshard::gguf {
namespace {

nlohmann::json read_object(const TokenizerFiles& files, const std::string& name) {
    if (!files.has(name)) return nullptr;
    auto object = read_json(files.path(name), kMaxVocabularyBytes);
    if (!object.is_object()) throw Error(files.path(name) + ": is not a JSON object");
    return object;
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
    return files;
}

std::string read_text(const std::string& path) {
    const InputFile file(path);
    if (file.bytes() > kMaxVocabularyBytes) {
        throw Error(path + ": " + std::to_string(file.bytes()) + " bytes are too many for a tokenizer's file");
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
    if (!value.is_string()) throw Error(where + ": '" + key + "' is " + value.dump() + ", it must be text");
    return value.get<std::string>();
}

}  // namespace unshard::gguf
