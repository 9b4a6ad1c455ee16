// Rules and config.json of small models.
#pragma once

#include "models/model_config.hpp"
#include "models/rules.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

namespace unshard::test {

inline std::string bundled_models() {
    return std::string(UNSHARD_SOURCE_DIR) + "/configs/models";
}

inline ModelRules bundled_rules(const std::string& name) {
    return load_rules(bundled_models() + "/" + name + ".toml");
}

/// A rules file that is gone with this object.
class RulesFileOnDisk {
public:
    explicit RulesFileOnDisk(std::string_view text) {
        std::string directory = (std::filesystem::temp_directory_path() / "unshard-rules-XXXXXX").string();
        directory_ = ::mkdtemp(directory.data());
        std::ofstream(path()) << text;
    }
    ~RulesFileOnDisk() { std::filesystem::remove_all(directory_); }
    RulesFileOnDisk(const RulesFileOnDisk&) = delete;
    RulesFileOnDisk& operator=(const RulesFileOnDisk&) = delete;

    const std::filesystem::path& directory() const { return directory_; }
    std::string path() const { return (directory_ / "rules.toml").string(); }

private:
    std::filesystem::path directory_;
};

inline ModelRules rules_of(std::string_view text) {
    return load_rules(RulesFileOnDisk(text).path());
}

/// What the rules' names stand for in a model of their first architecture, unless `config` names another.
inline Values values_of(const ModelRules& rules, nlohmann::json config) {
    if (!config.contains("architectures"))
        config["architectures"] = nlohmann::json::array({rules.architectures.front()});
    return config_values(rules, model_config(config, std::vector{bundled_models()}).settings);
}

/// The message of what `call` throws, or "" when it does not.
template <class Call>
std::string message_of(Call call) {
    try {
        call();
    } catch (const std::exception& e) {
        return e.what();
    }
    return "";
}

/// A dense model of one layer: 4 heads of 2, 2 key/value heads, hidden 6, ff 8, vocabulary 10.
inline nlohmann::json small_config() {
    return {{"vocab_size", 10},         {"hidden_size", 6}, {"num_hidden_layers", 1}, {"num_attention_heads", 4},
            {"num_key_value_heads", 2}, {"head_dim", 2},    {"intermediate_size", 8}, {"tie_word_embeddings", false}};
}

}  // namespace unshard::test
