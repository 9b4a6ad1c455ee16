// Which files a model needs depends on the programs that load it (transformers, sentence-transformers, vLLM) and
// changes with them. So every file beside config.json is copied, except weights, files of the training, and code that
// no configuration names. Directories are copied when `modules.json` names them (sentence-transformers: 1_Pooling,
// 2_Dense with weights of its own), and those of chat templates.

#include "assets.hpp"

#include "model_code.hpp"
#include "unshard/tools/json_file.hpp"
#include "unshard/tools/model_directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <string_view>

namespace unshard::safetensors {
namespace {

namespace fs = std::filesystem;

/// Other forms of the weights that are written anew, and the checkpoint itself.
constexpr std::array<std::string_view, 11> kWeightSuffixes = {
    ".safetensors", ".index.json", ".bin", ".gguf", ".h5", ".msgpack", ".onnx", ".ot", ".distcp", ".nemo", ".tflite",
};
constexpr std::array<std::string_view, 5> kWeightPrefixes = {
    "model_world_size_", "optim_world_size_", "extra_state_world_size_", "fsdp_config.json", "consolidated.",
};
/// Files of the training and its users, which may be large and are never read with a model.
constexpr std::array<std::string_view, 32> kOtherSuffixes = {
    ".pth", ".pt",    ".ckpt",  ".pkl",  ".pickle", ".npy",     ".npz",   ".log", ".lock", ".tmp", ".py",
    ".sh",  ".ipynb", ".jsonl", ".csv",  ".tsv",    ".parquet", ".arrow", ".zip", ".tar",  ".gz",  ".tgz",
    ".xz",  ".png",   ".jpg",   ".jpeg", ".gif",    ".svg",     ".mp4",   ".pdf", ".md",   ".so",
};
constexpr std::array<std::string_view, 6> kOtherPrefixes = {
    "trainer_state", "training_args", "events.out.", "optimizer", "scheduler", "latest",
};
constexpr std::string_view kTemplateDirectory = "additional_chat_templates";

template <class List>
bool starts_with_one_of(std::string_view name, const List& list) {
    return std::ranges::any_of(list, [&](std::string_view s) { return name.starts_with(s); });
}

template <class List>
bool ends_with_one_of(std::string_view name, const List& list) {
    return std::ranges::any_of(list, [&](std::string_view s) { return name.ends_with(s); });
}

bool is_weights(std::string_view name) {
    return ends_with_one_of(name, kWeightSuffixes) || starts_with_one_of(name, kWeightPrefixes);
}

bool is_other(std::string_view name) {
    const bool is_template = name.ends_with(".jinja");
    return !is_template && (ends_with_one_of(name, kOtherSuffixes) || starts_with_one_of(name, kOtherPrefixes));
}

/// Takes a file along, or everything in a directory.
void add(std::vector<Asset>& assets, const fs::path& base, const fs::path& name) {
    check_stays_in(base, base / name);
    if (!has_directory(base / name)) {
        assets.push_back({(base / name).string(), name.string()});
        return;
    }
    for (const std::string& inner : names_in(base / name).value_or(std::vector<std::string>()))
        add(assets, base, name / inner);
}

/// The directories that modules.json names: [{"path": "1_Pooling", "type": ...}, ...].
std::set<std::string> module_directories(const fs::path& base) {
    std::set<std::string> directories;
    if (!has_model_file(base, "modules.json")) return directories;
    const std::string file = (base / "modules.json").string();
    const nlohmann::json modules = read_json(file);
    if (!modules.is_array()) throw Error(file + ": is not a list of modules");
    for (const nlohmann::json& module : modules) {
        const std::string path = module.is_object() && module.contains("path") && module["path"].is_string()
                                     ? module["path"].get<std::string>()
                                     : "";
        if (path.find('/') != std::string::npos || path == "." || path == "..") {
            throw Error(fmt::format("{}: names '{}', which is no directory beside it", file, path));
        }
        if (!path.empty() && has_directory(base / path)) directories.insert(path);
    }
    return directories;
}

void add_templates(std::vector<Asset>& assets, const fs::path& base) {
    for (const std::string& name : names_in(base / kTemplateDirectory).value_or(std::vector<std::string>())) {
        if (name.ends_with(".jinja")) add(assets, base, fs::path(kTemplateDirectory) / name);
    }
}

}  // namespace

Assets find_assets(const std::string& directory, std::vector<std::string>& warnings) {
    Assets found;
    if (directory.empty()) return found;
    const fs::path base(directory);
    const std::vector<std::string> listed = names_in(base).value_or(std::vector<std::string>());
    const std::set<std::string> names(listed.begin(), listed.end());
    const std::set<std::string> code = model_code(base, names, warnings);
    const std::set<std::string> modules = module_directories(base);
    for (const std::string& name : names) {
        if (name.starts_with('.') || name == "config.json") continue;
        if (has_directory(base / name)) {
            if (modules.contains(name)) {
                add(found.copied, base, name);
            } else if (name == kTemplateDirectory) {
                add_templates(found.copied, base);
            } else {
                found.left.push_back(name + "/");
            }
        } else if (!is_weights(name)) {
            const bool is_wanted = code.contains(name) || !is_other(name);
            if (is_wanted && has_model_file(base, name)) {
                add(found.copied, base, name);
            } else {
                found.left.push_back(name);
            }
        }
    }
    return found;
}

std::string config_for(const std::string& path, std::optional<DType> dtype, const nlohmann::json& changes) {
    auto config = read_json(path);
    if (!config.is_object()) throw Error(path + ": is not a JSON object");
    const InputFile file(path);
    std::string text = file.read(0, file.bytes());
    if (!changes.empty()) {
        if (plain_json(text) != text) {
            throw Error(
                fmt::format("{}: {} is to be changed in it, but it holds NaN or Infinity, which JSON does not have: "
                            "change it by hand",
                            path, changes.dump()));
        }
        config.merge_patch(changes);
        text = config.dump(2) + "\n";
    }
    if (!dtype) return text;
    const std::string now(info(*dtype).torch);
    for (const std::string_view key : {"dtype", "torch_dtype"}) {
        const auto it = config.find(key);
        if (it == config.end() || !it->is_string() || it->get<std::string>() == now) continue;
        const std::string quoted_key = '"' + std::string(key) + '"', old = it->dump();
        // Sub-configurations (text_config, ...) repeat the key; where they say the same they follow.
        for (std::size_t at = text.find(quoted_key); at != std::string::npos; at = text.find(quoted_key, at + 1)) {
            const std::size_t value = text.find_first_not_of(": \t\r\n", at + quoted_key.size());
            if (value != std::string::npos && text.compare(value, old.size(), old) == 0)
                text.replace(value, old.size(), '"' + now + '"');
        }
    }
    return text;
}

}  // namespace unshard::safetensors
