// Which files make a model directory complete: what transformers' from_pretrained and AutoTokenizer look for.

#include "assets.hpp"

#include "unshard/json_file.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>
#include <string_view>

namespace unshard::safetensors {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 7> kPrefixes = {
    "tokenizer", "vocab", "merges", "added_tokens", "special_tokens_map", "chat_template", "generation_config.json",
};
constexpr std::array<std::string_view, 6> kSuffixes = {
    ".jinja", ".model", ".tiktoken", "preprocessor_config.json", "processor_config.json", "image_processor.json",
};
constexpr std::array<std::string_view, 11> kNeverSuffixes = {
    ".safetensors", ".index.json", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".h5", ".msgpack", ".distcp", ".tmp",
};
constexpr std::string_view kTemplateDirectory = "additional_chat_templates";

bool is_asset(std::string_view name) {
    const auto starts = [&](std::string_view s) { return name.starts_with(s); };
    const auto ends = [&](std::string_view s) { return name.ends_with(s); };
    return std::none_of(kNeverSuffixes.begin(), kNeverSuffixes.end(), ends) &&
           (std::any_of(kPrefixes.begin(), kPrefixes.end(), starts) ||
            std::any_of(kSuffixes.begin(), kSuffixes.end(), ends));
}

std::set<std::string> files_in(const fs::path& directory) {
    std::set<std::string> names;
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
        if (entry.is_regular_file(error)) names.insert(entry.path().filename().string());
    }
    if (error) throw Error(directory.string() + ": cannot list: " + error.message());
    return names;
}

/// The strings at any depth of a JSON value, without recursion.
std::vector<std::string> strings_in(const nlohmann::ordered_json& value) {
    std::vector<std::string> found;
    std::vector<const nlohmann::ordered_json*> open = {&value};
    while (!open.empty()) {
        const nlohmann::ordered_json& next = *open.back();
        open.pop_back();
        if (next.is_string()) found.push_back(next.get<std::string>());
        if (!next.is_structured()) continue;
        for (const auto& item : next) open.push_back(&item);
    }
    return found;
}

/// `modeling_x.XForCausalLM` names modeling_x.py; `owner/repo--modeling_x.X` names a file elsewhere.
std::set<std::string> modules_in_auto_map(const fs::path& directory, const std::set<std::string>& names,
                                          std::vector<std::string>& warnings) {
    std::set<std::string> modules;
    for (const std::string_view file :
         {"config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json"}) {
        if (!names.contains(std::string(file))) continue;
        try {
            const auto json = read_json((directory / file).string());
            if (!json.is_object() || !json.contains("auto_map")) continue;
            for (const std::string& value : strings_in(json["auto_map"])) {
                if (value.find("--") == std::string::npos) modules.insert(value.substr(0, value.find('.')));
            }
        } catch (const Error& e) {
            warnings.push_back(std::string(e.what()) + ": copied as it is");
        }
    }
    return modules;
}

/// The modules of `from .name import ..` lines.
std::vector<std::string> relative_imports(const fs::path& file) {
    const InputFile input(file.string());
    const std::string text = input.read(0, std::min<std::uint64_t>(input.bytes(), 16 << 20));
    static constexpr std::string_view kImport = "from .";
    std::vector<std::string> modules;
    for (std::size_t at = text.find(kImport); at != std::string::npos; at = text.find(kImport, at + 1)) {
        const std::size_t begin = at + kImport.size();
        modules.push_back(text.substr(begin, text.find_first_of(" .\t\n", begin) - begin));
    }
    return modules;
}

/// The code that auto_map names, and what it imports beside itself.
std::set<std::string> code_files(const fs::path& directory, const std::set<std::string>& names,
                                 std::vector<std::string>& warnings) {
    std::set<std::string> found;
    const auto modules = modules_in_auto_map(directory, names, warnings);
    std::vector<std::string> open(modules.begin(), modules.end());
    while (!open.empty()) {
        const std::string file = open.back() + ".py";
        open.pop_back();
        if (!names.contains(file) || !found.insert(file).second) continue;
        for (std::string& module : relative_imports(directory / file)) open.push_back(std::move(module));
    }
    return found;
}

}  // namespace

std::vector<Asset> find_assets(const std::string& directory, std::vector<std::string>& warnings) {
    if (directory.empty()) return {};
    const fs::path base(directory);
    const std::set<std::string> names = files_in(base);
    std::set<std::string> chosen = code_files(base, names, warnings);
    std::copy_if(names.begin(), names.end(), std::inserter(chosen, chosen.end()), is_asset);
    std::vector<Asset> assets;
    for (const std::string& name : chosen) assets.push_back({(base / name).string(), name});
    if (fs::is_directory(base / kTemplateDirectory)) {
        for (const std::string& name : files_in(base / kTemplateDirectory)) {
            const fs::path relative = fs::path(kTemplateDirectory) / name;
            if (name.ends_with(".jinja")) assets.push_back({(base / relative).string(), relative.string()});
        }
    }
    return assets;
}

std::string config_with_dtype(const std::string& path, std::optional<DType> dtype) {
    const auto config = read_json(path);
    if (!config.is_object()) throw Error(path + ": is not a JSON object");
    const InputFile file(path);
    std::string text = file.read(0, file.bytes());
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
