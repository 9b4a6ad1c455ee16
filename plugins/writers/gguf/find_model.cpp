#include "find_model.hpp"

#include "unshard/tools/directory.hpp"

#include <algorithm>

namespace unshard::gguf {
namespace {

std::string listed(std::vector<std::string> names) {
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
    return text;
}

std::vector<std::string> known_architectures(const std::vector<std::string>& directories) {
    std::vector<std::string> known;
    for (const std::string& directory : directories) {
        for (const ModelRules& rules : load_rules_directory(directory)) {
            if (!load_gguf_model(rules.file, rules)) continue;
            known.insert(known.end(), rules.architectures.begin(), rules.architectures.end());
        }
    }
    return known;
}

/// A multimodal model's text_config can name its own class.
std::string language_model_of(const nlohmann::json& config) {
    const std::string text = architecture_of(config.value("text_config", nlohmann::json()));
    return text.empty() ? architecture_of(config) : text;
}

}  // namespace

FoundModel find_model(const nlohmann::json& config, const std::vector<std::string>& directories) {
    const std::string architecture = language_model_of(config);
    if (architecture.empty())
        throw Error(
            "config.json: there are no 'architectures' in it, nor a known 'model_type': GGUF needs to know what kind "
            "of model it is: write the name of its class into it, such as \"architectures\": [\"LlamaForCausalLM\"]");
    for (const std::string& directory : directories) {
        const std::optional<ModelRules> rules = find_rules(directory, architecture);
        std::optional<GgufModel> gguf = rules ? load_gguf_model(rules->file, *rules) : std::nullopt;
        if (gguf) return {*rules, *gguf, load_arch_tensors(directories, gguf->arch), directory};
    }
    throw Error("config.json: architecture '" + architecture + "' is not known to writer 'gguf': known are " +
                listed(known_architectures(directories)) +
                ": a file that describes it can be put into a directory and that be named, " +
                "--set output.options.model_dir=DIR");
}

std::string find_shared_file(const std::string& name, const std::vector<std::string>& directories) {
    for (const std::string& directory : directories) {
        const std::string path = directory + "/gguf/" + name;
        if (has_file(path)) return path;
    }
    throw Error("gguf/" + name + ": there is no such file in " + listed(directories) +
                ": unshard is not completely installed");
}

}  // namespace unshard::gguf
