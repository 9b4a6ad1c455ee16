// AutoConfig: model_type says which class a config.json is for. A model of several parts has the language model's
// settings in text_config, which is for another class; whether the embedding is tied is said at the root all the same.

#include "models/model_config.hpp"

#include "models/class_settings.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/directory.hpp"
#include "unshard/tools/json_file.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {
namespace {

using nlohmann::json;

const json kNull;

json read_facts(const char* name, std::span<const std::string> directories, json otherwise) {
    for (const std::string& directory : directories) {
        const std::string file = directory + "/transformers/" + name;
        if (has_file(file)) return read_json(file);
    }
    return otherwise;
}

std::string text_of(const json& config, const char* field) {
    const json& value = find_field(config, {field});
    return value.is_string() ? value.get<std::string>() : std::string();
}

std::vector<std::string> stated_architectures(const json& config) {
    std::vector<std::string> names;
    const json& stated = find_field(config, {"architectures"});
    for (const json& name : stated.is_array() ? stated : json::array()) {
        if (name.is_string()) names.push_back(plain_class_name(name.get<std::string>()));
    }
    return names;
}

/// The class: by model_type, else by the names in `architectures`. Empty when none is known.
std::string class_named(const json& classes, const std::string& model_type,
                        const std::vector<std::string>& architectures) {
    if (classes.contains(model_type)) return model_type;
    for (const auto& [name, facts] : classes.items()) {
        const json& own = facts["architectures"];
        const auto has = [&](const std::string& architecture) { return contains(own, architecture); };
        if (std::any_of(architectures.begin(), architectures.end(), has)) return name;
    }
    return {};
}

/// The rope settings of a class that is not known, by the names that such classes use.
json with_rope(json settings) {
    json given = settings;
    const json &partial = find_field(settings, {"partial_rotary_factor", "rope_pct", "rope_percent"}),
               &theta = find_field(settings, {"rope_theta", "rotary_emb_base"});
    if (!partial.is_null()) given["partial_rotary_factor"] = partial;
    if (!theta.is_null()) given["rope_theta"] = theta;
    settings["rope_parameters"] = rope_settings(given, settings, {{"form", "flat"}});
    return settings;
}

class Reading {
public:
    Reading(const json& config, std::span<const std::string> directories, const std::vector<std::string>& otherwise)
        : config_(config),
          otherwise_(otherwise),
          facts_(read_facts(
              "config-classes.json", directories,
              {{"classes", json::object()}, {"composites", json::object()}, {"layer_types", json::object()}})),
          weights_(read_facts("architectures.json", directories,
                              {{"architectures", json::object()}, {"tied_defaults", json::object()}})) {}

    ModelConfig run() {
        ModelConfig result;
        result.file = config_;
        std::vector<std::string> architectures = stated_architectures(config_);
        if (!architectures.empty() && config_["architectures"] != json(architectures))
            result.corrections["architectures"] = architectures;
        if (architectures.empty()) architectures = name_by_type(result.warnings);
        result.settings = settings_of(architectures);
        const json& weights = weights_of(architectures);
        result.kept_f32 = weights.value("f32", std::vector<std::string>());
        result.kept_f32_of_f16 = weights.value("f32_of_f16", std::vector<std::string>());
        if (config_.contains("model_type")) result.settings["model_type"] = config_["model_type"];
        if (!architectures.empty()) result.settings["architectures"] = architectures;
        set_tied(result.settings, weights);
        keep_text_architectures(result.settings);
        return result;
    }

private:
    /// The class that model_type stands for, with a warning; nothing when that is not known.
    std::vector<std::string> name_by_type(std::vector<std::string>& warnings) const {
        const std::string type = text_of(config_, "model_type");
        for (const char* kind : {"classes", "composites"}) {
            const json& facts = find_field(facts_, {std::string(kind) + "." + type});
            if (type.empty() || facts.is_null() || facts["architectures"].size() != 1) continue;
            const auto name = facts["architectures"][0].get<std::string>();
            warnings.push_back(
                fmt::format("config.json: it has no 'architectures': taken for {}, which model_type '{}' stands for: "
                            "others need the line \"architectures\": [\"{}\"]",
                            name, type, name));
            return {name};
        }
        return {};
    }

    void keep_text_architectures(json& settings) const {
        const json names = find_field(config_, {"text_config.architectures"});
        settings.erase("text_config");
        if (!names.is_null()) settings["text_config"] = {{"architectures", names}};
    }

    /// Those of the class itself, else of a class with the same model_type.
    const json& weights_of(const std::vector<std::string>& architectures) const {
        static const json kNothing = json::object();
        for (const std::string& name : architectures) {
            const auto found = weights_["architectures"].find(name);
            if (found != weights_["architectures"].end()) return *found;
        }
        for (const json& weights : weights_["architectures"]) {
            if (weights["model_type"] == text_of(config_, "model_type")) return weights;
        }
        return kNothing;
    }

    /// What the root or text_config says, or the default of its class.
    bool says_tied(const json& part, const json& otherwise) const {
        const json& stated = find_field(part, {"tie_word_embeddings"});
        if (stated.is_boolean()) return stated.get<bool>();
        return weights_["tied_defaults"].value(text_of(part, "model_type"), otherwise) == true;
    }

    void set_tied(json& settings, const json& weights) const {
        const std::string decides = weights.value("tied", "");
        if (!decides.empty()) {
            const bool root = says_tied(config_, weights["default"]);
            const bool own = says_tied(find_field(config_, {"text_config"}), weights["default"]);
            settings["tie_word_embeddings"] = decides == "root"          ? root
                                              : decides == "text_config" ? own
                                              : decides == "both"        ? root && own
                                                                         : root || own;
        } else if (!weights.empty()) {
            settings["tie_word_embeddings"] = false;
        } else if (is_known_) {
            settings["tie_word_embeddings"] = find_field(settings, {"tie_word_embeddings"}) == true;
        } else {
            set_tied_of_unknown(settings);
        }
    }

    /// Tied when the root or text_config says true and neither says false. A wrong "false" only writes an equal tensor
    /// twice.
    void set_tied_of_unknown(json& settings) const {
        settings.erase("tie_word_embeddings");
        for (const char* field : {"tie_word_embeddings", "text_config.tie_word_embeddings"}) {
            const json& stated = find_field(config_, {field});
            if (stated.is_boolean())
                settings["tie_word_embeddings"] = settings.value("tie_word_embeddings", true) && stated == true;
        }
    }

    json settings_of(const std::vector<std::string>& architectures) {
        const std::string type = text_of(config_, "model_type");
        const std::string composite = class_named(facts_["composites"], type, architectures);
        if (!composite.empty()) return text_of_composite(facts_["composites"][composite]);
        std::string name = class_named(facts_["classes"], type, architectures);
        if (name.empty()) name = class_named(facts_["classes"], type, otherwise_);
        if (!name.empty()) return settings(config_, name);
        is_known_ = false;
        const json& text = find_field(config_, {"text_config"});
        return text.is_object() ? with_text(text, class_named(facts_["classes"], text_of(text, "model_type"),
                                                              stated_architectures(text)))
                                : with_rope(config_);
    }

    /// The root updated with the language model's settings, which are read as this class does.
    json with_text(const json& text, const std::string& name) const {
        json merged = config_;
        merged.update(name.empty() ? text : settings(text, name));
        return name.empty() ? with_rope(std::move(merged)) : merged;
    }

    json text_of_composite(const json& facts) const {
        const json& stated = find_field(config_, {"text_config"});
        const json text = stated.is_object() ? stated : facts["text_defaults"];
        const std::string type = facts["is_fixed"] == true ? std::string() : text_of(text, "model_type");
        const std::string name = type.empty() ? facts["text"].get<std::string>() : type;
        return with_text(text, facts_["classes"].contains(name) ? name : std::string());
    }

    json settings(const json& given, const std::string& name) const {
        return class_settings(given, facts_["classes"][name], facts_["layer_types"]);
    }

    const json& config_;
    const std::vector<std::string>& otherwise_;
    json facts_;    ///< config-classes.json
    json weights_;  ///< architectures.json
    bool is_known_ = true;
};

}  // namespace

std::string plain_class_name(std::string name) {
    static constexpr std::string_view kWrapper = "FSDP";
    const bool is_wrapped = name.starts_with(kWrapper) && name.size() > kWrapper.size() &&
                            name[kWrapper.size()] >= 'A' && name[kWrapper.size()] <= 'Z';
    if (is_wrapped) name.erase(0, kWrapper.size());
    return name;
}

ModelConfig model_config(const json& file, std::span<const std::string> directories,
                         const std::vector<std::string>& otherwise) {
    if (file.is_null()) return {};
    if (!file.is_object()) throw Error("config.json: it is not a JSON object");
    return Reading(file, directories, otherwise).run();
}

const json& find_field(const json& config, const std::vector<std::string>& fields) {
    for (const std::string& path : fields) {
        const json* object = &config;
        std::size_t begin = 0;
        while (object && begin <= path.size()) {
            const std::size_t end = std::min(path.find('.', begin), path.size());
            const auto found = object->is_object() ? object->find(path.substr(begin, end - begin)) : object->end();
            object = object->is_object() && found != object->end() ? &*found : nullptr;
            begin = end + 1;
        }
        if (object && !object->is_null()) return *object;
    }
    return kNull;
}

}  // namespace unshard
