// What the program tells plugins of a model, and how they read it.
#pragma once

#include "models/document.hpp"
#include "models/model_config.hpp"
#include "models/model_files.hpp"
#include "unshard/request.hpp"

#include <optional>
#include <string>
#include <vector>

namespace unshard {

/// Request::model for a model that a file describes, or that none does.
nlohmann::json model_facts(const std::optional<Document>& file, const ModelFiles& files, const ModelConfig& config);

/// The class whose file counts for the language model in a config.json: a multimodal model's text_config can name its
/// own.
std::string language_model_class(const nlohmann::json& config);

/// The model's file; nothing when none is for its class.
std::optional<Document> model_document(const Request& request);

/// The classes that files with this table are for; of a request without a model's file.
std::vector<std::string> known_architectures(const Request& request, const std::string& table);

}  // namespace unshard
