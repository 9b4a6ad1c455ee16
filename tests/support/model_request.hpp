// What mergers and writers are told of a model, as the engine tells it.
#pragma once

#include "models/plugin_facts.hpp"

#include <string>
#include <vector>

namespace unshard::test {

/// `config_file` is config.json's content, null when there is none.
inline void describe_model(Request& request, const nlohmann::json& config_file,
                           const std::vector<std::string>& directories) {
    const ModelFiles files(directories);
    const ModelConfig config = model_config(config_file, directories);
    request.config = config.settings;
    request.model = model_facts(files.find(language_model_class(config.settings)), files, config);
}

inline Request request_for(const nlohmann::json& config_file, const std::vector<std::string>& directories) {
    Request request;
    describe_model(request, config_file, directories);
    return request;
}

}  // namespace unshard::test
