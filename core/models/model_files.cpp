#include "models/model_files.hpp"

#include "models/model_config.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace unshard {
namespace {

std::vector<std::string> architectures_of(const Document& model) {
    return Node(model).texts("architectures");
}

bool describes_model(const Document& document) {
    const Node root(document);
    return root.has("architectures") || root.has("config") || root.has("tensors");
}

void check_apart(const Document& model, const Document& other) {
    const std::vector<std::string> names = architectures_of(model), others = architectures_of(other);
    const auto twice =
        std::find_if(names.begin(), names.end(), [&](const auto& name) { return contains(others, name); });
    if (twice == names.end()) return;
    throw UsageError(fmt::format("{}: architecture '{}' is in {} too", model.file, *twice, other.file));
}

std::vector<Document> models_in(const std::string& directory) {
    std::vector<Document> models;
    for (const std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
        if (!name.ends_with(".toml")) continue;
        Document document = read_document((std::filesystem::path(directory) / name).string());
        if (!describes_model(document)) continue;
        check_model_keys(document);
        for (const Document& other : models) check_apart(document, other);
        models.push_back(std::move(document));
    }
    return models;
}

const Document* model_of_class(const std::vector<Document>& models, const std::string& architecture) {
    const auto found = std::find_if(models.begin(), models.end(), [&](const Document& model) {
        return contains(architectures_of(model), architecture);
    });
    return found == models.end() ? nullptr : &*found;
}

/// The causal language model of a stem: "Qwen2" -> the file of Qwen2ForCausalLM.
const Document* causal_model(const std::vector<Document>& models, const std::string& stem) {
    for (const char* suffix : {"ForCausalLM", "LMHeadModel"}) {
        const Document* model = model_of_class(models, stem + suffix);
        if (model && !Node(*model).tables("tensors").empty()) return model;
    }
    return nullptr;
}

/// `head` is item `number` of the array `head` in `heads`.
Document with_head(Document model, const Document& heads, const Node& head, std::size_t number) {
    const std::string first = Node(model).tables("tensors").front().text("name");
    for (nlohmann::json& tensor : model.root["tensors"]) {
        if (tensor.value("name", "").starts_with("lm_head.")) tensor["when"] = "0";
    }
    for (const auto& [name, value] : Node(heads).entries("config")) {
        put(model, JsonPointer("/config") / name, heads, JsonPointer("/config") / name);
    }
    for (std::size_t i = 0; i < head.tables("tensors").size(); ++i) {
        put(model, JsonPointer("/tensors") / model.root["tensors"].size(), heads,
            JsonPointer("/head") / number / "tensors" / i);
    }
    if (head.has("backbone")) {
        model.root["prefixes"][head.text("backbone")] = first.substr(0, first.find('.') + 1);
    }
    return model;
}

std::optional<Document> find_with_head(const std::vector<Document>& models, const Document& heads,
                                       const std::string& architecture) {
    const Node root(heads);
    root.check_keys({"config", "head"});
    const std::vector<Node> all = root.tables("head");
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Node& head = all[i];
        head.check_keys({"suffix", "only", "backbone", "tensors"});
        const std::string suffix = head.text("suffix");
        if (!architecture.ends_with(suffix)) continue;
        const std::string stem = architecture.substr(0, architecture.size() - suffix.size());
        const std::vector<std::string> only = head.texts("only");
        const Document* causal = only.empty() || contains(only, stem) ? causal_model(models, stem) : nullptr;
        if (causal) return with_head(*causal, heads, head, i);
    }
    return std::nullopt;
}

}  // namespace

ModelFiles::ModelFiles(std::vector<std::string> directories) : directories_(std::move(directories)) {
    for (const std::string& directory : directories_) {
        const std::string heads = directory + "/heads/heads.toml";
        contents_.push_back(
            {models_in(directory), has_file(heads) ? std::optional(read_document(heads)) : std::nullopt});
    }
}

std::optional<Document> ModelFiles::find(const std::string& architecture) const {
    std::optional<Document> found;
    for (const Directory& directory : contents_) {
        const Document* model = architecture.empty() ? nullptr : model_of_class(directory.models, architecture);
        std::optional<Document> here = model ? std::optional(*model)
                                       : directory.heads && !architecture.empty()
                                           ? find_with_head(directory.models, *directory.heads, architecture)
                                           : std::nullopt;
        if (!here) continue;
        if (!found) {
            found = std::move(here);
            continue;
        }
        for (const auto& [key, node] : Node(*here).entries()) {
            if (is_model_key(key) || found->root.contains(key)) continue;
            put(*found, JsonPointer() / key, *here, JsonPointer() / key);
        }
    }
    return found;
}

std::map<std::string, std::set<std::string>> ModelFiles::architectures_by_table() const {
    std::map<std::string, std::set<std::string>> known;
    for (const Directory& directory : contents_) {
        for (const Document& model : directory.models) {
            const std::vector<std::string> names = architectures_of(model);
            for (const auto& [table, value] : model.root.items()) known[table].insert(names.begin(), names.end());
        }
    }
    return known;
}

std::optional<ModelRules> find_rules(const ModelFiles& files, const nlohmann::json& config) {
    const std::optional<Document> model = files.find(architecture_of(config));
    return model ? std::optional(rules_of(*model)) : std::nullopt;
}

std::string architecture_of(const nlohmann::json& config) {
    if (!config.is_object()) return {};
    const auto names = config.find("architectures");
    if (names == config.end() || !names->is_array() || names->empty() || !names->front().is_string()) return {};
    return plain_class_name(names->front().get<std::string>());
}

}  // namespace unshard
