// TextModel._try_set_pooling_type in conversion/base.py. modules.json lists a model's modules, each with `type` and the
// `path` of its directory; pooling_mode_X in that directory's config.json, or since sentence-transformers 5
// pooling_mode, says which.

#include "pooling.hpp"

#include "tokenizer/files.hpp"
#include "unshard/tools/json_file.hpp"
#include "unshard/tools/model_directory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace unshard::gguf {
namespace {

using nlohmann::json;

struct Mode {
    const char* field;
    const char* name;
    std::uint32_t number;  ///< enum llama_pooling_type
};

constexpr std::array kModes = {Mode{"pooling_mode_mean_tokens", "mean", 1}, Mode{"pooling_mode_cls_token", "cls", 2},
                               Mode{"pooling_mode_lasttoken", "lasttoken", 3}};

/// The directory of the first module of pooling, below the model's.
std::optional<std::string> pooling_directory(const std::string& directory) {
    const std::string path = directory + "/modules.json";
    if (!has_model_file(directory, "modules.json")) return std::nullopt;
    const json modules = read_json(path);
    if (!modules.is_array()) throw Error(path + ": is not a list of modules");
    for (const json& module : modules) {
        if (!text_member(module, "type", path).ends_with("Pooling")) continue;
        const std::string name = text_member(module, "path", path);
        const bool is_below = !name.empty() && name.find('/') == std::string::npos && name != "..";
        if (!is_below) throw Error(fmt::format("{}: '{}' is not the name of a directory beside it", path, name));
        return directory + "/" + name;
    }
    return std::nullopt;
}

}  // namespace

void add_pooling(KeyValues& metadata, const std::string& arch, const std::string& directory,
                 std::vector<std::string>& warnings) {
    const auto pooling = pooling_directory(directory);
    if (!pooling) return;
    const std::string path = *pooling + "/config.json";
    const json settings = read_json(path);
    const auto* by_field =
        std::ranges::find_if(kModes, [&](const Mode& mode) { return member(settings, mode.field) == true; });
    const auto* by_name =
        std::ranges::find_if(kModes, [&](const Mode& mode) { return member(settings, "pooling_mode") == mode.name; });
    const auto* mode = by_field != kModes.end() ? by_field : by_name;
    if (mode != kModes.end()) return metadata.set(arch + ".pooling_type", mode->number);
    warnings.push_back(
        fmt::format("{}: llama.cpp pools by mean, cls or lasttoken, and none of these is set: the GGUF file does not "
                    "say how embeddings are pooled",
                    path));
}

}  // namespace unshard::gguf
