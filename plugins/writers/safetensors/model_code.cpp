// `auto_map` in a configuration names classes in Python files beside it. transformers runs them with trust_remote_code;
// they import others.

#include "model_code.hpp"

#include "unshard/tools/json_file.hpp"
#include "unshard/tools/model_directory.hpp"

#include <string_view>

namespace unshard::safetensors {
namespace {

namespace fs = std::filesystem;

/// The strings at any depth of a JSON value, without recursion.
std::vector<std::string> strings_in(const nlohmann::json& value) {
    std::vector<std::string> found;
    std::vector<const nlohmann::json*> open = {&value};
    while (!open.empty()) {
        const nlohmann::json& next = *open.back();
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
        if (!names.contains(std::string(file)) || !has_model_file(directory, std::string(file))) continue;
        try {
            const auto json = read_json((directory / file).string(), kMaxVocabularyBytes);
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

fs::path checked(const fs::path& directory, const std::string& file) {
    check_stays_in(directory, directory / file);
    return directory / file;
}

}  // namespace

std::set<std::string> model_code(const fs::path& directory, const std::set<std::string>& names,
                                 std::vector<std::string>& warnings) {
    std::set<std::string> found;
    const auto modules = modules_in_auto_map(directory, names, warnings);
    std::vector<std::string> open(modules.begin(), modules.end());
    while (!open.empty()) {
        const std::string file = open.back() + ".py";
        open.pop_back();
        if (!names.contains(file) || !found.insert(file).second) continue;
        for (std::string& module : relative_imports(checked(directory, file))) open.push_back(std::move(module));
    }
    return found;
}

}  // namespace unshard::safetensors
