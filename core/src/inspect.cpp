#include "inspect.hpp"

#include "locate.hpp"
#include "unshard/json_file.hpp"
#include "unshard/safetensors_header.hpp"
#include "verify.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <set>

namespace unshard {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kEnding = ".safetensors";

/// The file itself, or those in the directory, by name.
std::vector<fs::path> safetensors_in(const fs::path& path) {
    if (!fs::is_directory(path)) {
        return path.extension() == kEnding ? std::vector{path} : std::vector<fs::path>();
    }
    std::vector<fs::path> files;
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
        if (entry.path().extension() == kEnding && entry.is_regular_file()) files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

SourceTensor source_tensor(const SafetensorsEntry& entry, std::uint32_t file) {
    Shard shard;
    shard.file = file;
    shard.offset = entry.offset;
    shard.bytes = entry.bytes;
    shard.shape = entry.shape;
    shard.stride = contiguous_strides(entry.shape);
    shard.origin = Dims::filled(entry.shape.rank(), 0);
    return {entry.name, entry.dtype, entry.shape, {shard}};
}

/// Says so when the index of a model in several files and the files disagree.
void compare_with_index(const fs::path& directory, CheckpointIndex& index) {
    const fs::path file = directory / "model.safetensors.index.json";
    if (!fs::exists(file)) return;
    const auto json = read_json(file.string());
    const auto map = json.is_object() ? json.find("weight_map") : json.end();
    if (!json.is_object() || map == json.end() || !map->is_object()) {
        throw Error(file.string() + ": has no table 'weight_map'");
    }
    std::set<std::string> present;
    for (const SourceTensor& t : index.tensors) present.insert(t.name);
    std::size_t missing = 0;
    for (const auto& [name, part] : map->items()) missing += present.count(name) == 0;
    if (missing == 0 && map->size() == present.size()) return;
    index.warnings.push_back(fmt::format("{}: names {} tensors, {} of them are missing; the files hold {}",
                                         file.string(), map->size(), missing, present.size()));
}

Inspection inspect_safetensors(const std::string& path, const std::vector<fs::path>& files) {
    Inspection result{path, "", {}};
    CheckpointIndex& index = result.index;
    index.format = "safetensors";
    std::set<std::string> names;
    for (const fs::path& name : files) {
        const InputFile file(name.string());
        const SafetensorsHeader header = read_safetensors_header(file);
        const auto number = static_cast<std::uint32_t>(index.files.size());
        index.files.push_back({file.path(), file.bytes()});
        for (const SafetensorsEntry& entry : header.tensors) {
            index.tensors.push_back(source_tensor(entry, number));
            if (names.insert(entry.name).second) continue;
            index.warnings.push_back(fmt::format("{}: '{}' is in another file too", file.path(), entry.name));
        }
        for (const auto& [key, value] : header.metadata) index.metadata[key] = value;
    }
    if (fs::is_directory(path)) compare_with_index(path, index);
    return result;
}

}  // namespace

Inspection inspect(const Pipeline::Input& input, const Plugins& plugins, unsigned threads) {
    std::optional<LocatedInput> located = recognize(input, plugins, threads);
    if (!located && input.reader == "auto") {
        const std::vector<fs::path> files = safetensors_in(input.path);
        if (!files.empty()) return inspect_safetensors(input.path, files);
    }
    if (!located) located = locate_input(input, plugins, threads);
    Inspection result{located->path, located->reader_name, located->reader->index(located->request)};
    verify_index(result.index);
    return result;
}

}  // namespace unshard
