#include "models/plugin_facts.hpp"

namespace unshard {

nlohmann::json model_facts(const std::optional<Document>& file, const ModelFiles& files, const ModelConfig& config) {
    nlohmann::json facts = {{"kept_f32", config.kept_f32}, {"kept_f32_of_f16", config.kept_f32_of_f16}};
    if (file) {
        facts["file"] = file->file;
        facts["tables"] = file->root;
        facts["places"] = file->places;
    } else {
        facts["known"] = files.architectures_by_table();
    }
    return facts;
}

std::string language_model_class(const nlohmann::json& config) {
    if (!config.is_object()) return {};
    const std::string text = architecture_of(config.value("text_config", nlohmann::json()));
    return text.empty() ? architecture_of(config) : text;
}

std::optional<Document> model_document(const Request& request) {
    if (!request.model.contains("tables")) return std::nullopt;
    return Document{request.model.at("file"), request.model.at("tables"), request.model.at("places")};
}

std::vector<std::string> known_architectures(const Request& request, const std::string& table) {
    const nlohmann::json known = request.model.value("known", nlohmann::json::object());
    return known.value(table, std::vector<std::string>());
}

}  // namespace unshard
