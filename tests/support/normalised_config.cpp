// For the interop tests: reads the text of a config.json a line, writes what unshard makes of it, a line of JSON each.

#include "models/model_config.hpp"

#include <iostream>
#include <string>
#include <vector>

int main() {
    const std::vector<std::string> models = {UNSHARD_SOURCE_DIR "/configs/models"};
    for (std::string line; std::getline(std::cin, line);) {
        nlohmann::json result;
        try {
            const unshard::ModelConfig config = unshard::model_config(nlohmann::json::parse(line), models);
            result = config.settings;
        } catch (const std::exception& e) {
            result = {{"error", e.what()}};
        }
        std::cout << result.dump() << '\n';
    }
    return 0;
}
