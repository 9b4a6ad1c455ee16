// A directory of a model's JSON files for one test.
#pragma once

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace unshard::test {

class Assets {
public:
    Assets() {
        static std::atomic<int> number = 0;
        path_ = std::filesystem::temp_directory_path() /
                ("unshard-gguf-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
        std::filesystem::create_directories(path_);
    }
    ~Assets() { std::filesystem::remove_all(path_); }
    Assets(const Assets&) = delete;
    Assets& operator=(const Assets&) = delete;

    std::string path() const { return path_.string(); }
    std::string path(const std::string& name) const { return (path_ / name).string(); }

    void write(const std::string& name, std::string_view bytes) const {
        std::filesystem::create_directories((path_ / name).parent_path());
        std::ofstream(path_ / name, std::ios::binary) << bytes;
    }
    void write_json(const std::string& name, const nlohmann::json& value) const { write(name, value.dump()); }

private:
    std::filesystem::path path_;
};

inline std::string models_directory() {
    return std::string(UNSHARD_SOURCE_DIR) + "/configs/models";
}

/// A byte-level tokenizer.json: these tokens with their position as id, and one merge.
inline nlohmann::json byte_level_tokenizer(const std::vector<std::string>& tokens) {
    nlohmann::json vocab = nlohmann::json::object();
    for (std::size_t id = 0; id < tokens.size(); ++id) vocab[tokens[id]] = id;
    return {{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"a b"}}}},
            {"added_tokens", nlohmann::json::array()},
            {"pre_tokenizer", {{"type", "ByteLevel"}}}};
}

}  // namespace unshard::test
