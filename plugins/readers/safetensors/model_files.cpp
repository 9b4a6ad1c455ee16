// A Hugging Face model is model.safetensors, or files model-0000i-of-0000N.safetensors with
// model.safetensors.index.json: {"metadata": {..}, "weight_map": {tensor: file}}. Other tools put other words for
// "model" there (diffusion_pytorch_model). Repositories often hold the same weights in a second form beside these,
// e.g. consolidated.safetensors.

#include "model_files.hpp"

#include "unshard/json_file.hpp"
#include "unshard/name_list.hpp"

#include <charconv>
#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>

namespace unshard::safetensors {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kTensors = ".safetensors";
constexpr std::string_view kIndex = ".safetensors.index.json";
constexpr std::string_view kModel = "model.safetensors";

/// Some 100 bytes a tensor.
constexpr std::uint64_t kMaxIndexBytes = 64 << 20;

/// Names in a directory, sorted.
struct Listing {
    std::set<std::string> tensors;
    std::set<std::string> indices;
};

Listing list(const std::string& directory, std::error_code& error) {
    Listing found;
    for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error)) {
        std::string name = entry->path().filename().string();
        if (name.starts_with('.')) continue;
        if (name.ends_with(kTensors))
            found.tensors.insert(std::move(name));
        else if (name.ends_with(kIndex))
            found.indices.insert(std::move(name));
    }
    return found;
}

/// Whether a name says that the file is one of several: "..-of-00004.safetensors".
bool is_one_of_several(std::string_view name) {
    name.remove_suffix(kTensors.size());
    const std::size_t of = name.rfind("-of-");
    if (of == std::string_view::npos) return false;
    std::uint32_t count = 0;
    const auto [end, error] = std::from_chars(name.data() + of + 4, name.data() + name.size(), count);
    return error == std::errc() && end == name.data() + name.size() && count != 1;
}

/// The file that is the whole model, where there is no index.
std::string only_file(const std::set<std::string>& names) {
    if (names.empty()) throw Error("no safetensors files in it");
    if (names.contains(std::string(kModel))) return std::string(kModel);
    if (names.size() == 1 && !is_one_of_several(*names.begin())) return *names.begin();
    throw Error(name_list(names) +
                " and no 'model.safetensors.index.json', which says what belongs together: copy it "
                "too, or name one of the files");
}

std::string only_index(const std::set<std::string>& names) {
    const std::string usual = "model" + std::string(kIndex);
    if (names.contains(usual)) return usual;
    if (names.size() == 1) return *names.begin();
    throw Error("several indices, " + name_list(names) + ": leave one");
}

/// The index's weight_map, tensor to file name.
std::map<std::string, std::string> read_weight_map(const std::string& path) {
    const nlohmann::ordered_json index = read_json(path, kMaxIndexBytes);
    const auto map = index.is_object() ? index.find("weight_map") : index.end();
    if (map == index.end() || !map->is_object() || map->empty()) throw Error(path + ": has no 'weight_map'");
    std::map<std::string, std::string> files;
    for (const auto& [tensor, file] : map->items()) {
        const std::string name = file.is_string() ? file.get<std::string>() : "";
        if (!name.ends_with(kTensors) || name.find('/') != std::string::npos) {
            throw Error(path + ": '" + tensor + "' is in " + file.dump() + ", which is no safetensors file beside it");
        }
        files.emplace(tensor, name);
    }
    return files;
}

ModelFiles files_of_index(const fs::path& directory, const std::string& index, const std::set<std::string>& present) {
    ModelFiles model{.index = (directory / index).string()};
    std::set<std::string> named, missing;
    for (const auto& [tensor, file] : read_weight_map(model.index)) {
        (present.contains(file) ? named : missing).insert(file);
        model.weight_map.emplace(tensor, (directory / file).string());
    }
    if (!missing.empty()) throw Error(model.index + ": names files that are missing: " + name_list(missing));
    if (present.contains(std::string(kModel)) && !named.contains(std::string(kModel))) {
        throw Error("both '" + std::string(kModel) + "' and '" + index + "' of other files: take one of them away");
    }
    for (const std::string& name : named) model.paths.push_back((directory / name).string());
    for (const std::string& name : present) {
        if (!named.contains(name)) model.dropped.push_back({name, "not in '" + index + "'"});
    }
    return model;
}

ModelFiles find_in_directory(const std::string& directory) {
    std::error_code error;
    const Listing found = list(directory, error);
    if (error) throw Error("cannot list the directory: " + error.message());
    if (!found.indices.empty()) return files_of_index(directory, only_index(found.indices), found.tensors);
    const std::string name = only_file(found.tensors);
    ModelFiles model{.paths = {(fs::path(directory) / name).string()}};
    for (const std::string& other : found.tensors) {
        if (other != name) model.dropped.push_back({other, "not part of '" + name + "'"});
    }
    return model;
}

}  // namespace

bool has_model_files(const std::string& path) noexcept {
    std::error_code error;
    if (fs::is_regular_file(path, error)) return path.ends_with(kTensors);
    const Listing found = list(path, error);
    return !error && (!found.tensors.empty() || !found.indices.empty());
}

ModelFiles find_model_files(const std::string& path) {
    std::error_code error;
    if (fs::is_regular_file(path, error)) return {.paths = {path}};
    return find_in_directory(path);
}

}  // namespace unshard::safetensors
