// A Hugging Face model is model.safetensors, or files model-0000i-of-0000N.safetensors with
// model.safetensors.index.json: {"metadata": {..}, "weight_map": {tensor: file}}. Older ones are pytorch_model.bin, or
// files pytorch_model-0000i-of-0000N.bin with pytorch_model.bin.index.json. Repositories often hold the same weights in a
// second form beside these, e.g. consolidated.safetensors.

#include "formats/hub/model_files.hpp"

#include "unshard/tools/directory.hpp"
#include "unshard/tools/json_file.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <unordered_set>
#include <utility>

namespace unshard::hub {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndex = ".index.json";  // behind that of the files

/// Some 100 bytes a tensor.
constexpr std::uint64_t kMaxIndexBytes = 64 << 20;

/// How many missing parts a message lists.
constexpr std::size_t kMostNamed = 8;

/// Names in a directory, sorted.
struct Listing {
    std::set<std::string> tensors;
    std::set<std::string> indices;
};

std::string index_suffix(const FileForm& form) {
    return form.tensors + std::string(kIndex);
}

Listing list(const std::string& directory, const FileForm& form) {
    Listing found;
    for (std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
        if (name.starts_with('.') || !name.starts_with(form.head)) continue;
        if (name.ends_with(form.tensors))
            found.tensors.insert(std::move(name));
        else if (name.ends_with(index_suffix(form)))
            found.indices.insert(std::move(name));
    }
    return found;
}

/// A name that says that the file is one of several: "model-00002-of-00004.safetensors".
struct NumberedPart {
    std::string model;  ///< what is in front of the number
    std::uint64_t number = 0;
    std::uint64_t count = 0;
};

bool parse_count(std::string_view text, std::uint64_t& count) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    return error == std::errc() && end == text.data() + text.size();
}

std::optional<NumberedPart> parse_part(std::string_view name, const FileForm& form) {
    name.remove_suffix(std::string_view(form.tensors).size());
    const std::size_t of = name.rfind("-of-");
    if (of == std::string_view::npos) return std::nullopt;
    const std::size_t begin = name.find_last_not_of("0123456789", of - 1) + 1;
    NumberedPart part{std::string(name.substr(0, begin)), 0, 0};
    const bool is_part = parse_count(name.substr(begin, of - begin), part.number) &&
                         parse_count(name.substr(of + 4), part.count) && part.count > 1;
    return is_part ? std::optional(part) : std::nullopt;
}

/// The numbered parts of one model that are there.
struct PartSet {
    std::uint64_t count = 0;
    std::map<std::uint64_t, std::string> files;

    bool is_complete() const {
        return files.size() == count && files.begin()->first == 1 && files.rbegin()->first == count;
    }
};

/// The only set of parts, if there is one and no other file.
std::optional<PartSet> only_set(const std::set<std::string>& names, const FileForm& form) {
    std::map<std::pair<std::string, std::uint64_t>, PartSet> sets;
    for (const std::string& name : names) {
        const std::optional<NumberedPart> part = parse_part(name, form);
        if (!part) return std::nullopt;
        PartSet& set = sets[{part->model, part->count}];
        set.count = part->count;
        if (!set.files.emplace(part->number, name).second) return std::nullopt;
    }
    return sets.size() == 1 ? std::optional(sets.begin()->second) : std::nullopt;
}

[[noreturn]] void refuse_incomplete(const PartSet& set) {
    std::vector<std::string> missing;
    for (std::uint64_t number = 1; number <= set.count && missing.size() <= kMostNamed; ++number) {
        if (!set.files.contains(number)) missing.push_back(std::to_string(number));
    }
    throw Error(fmt::format("{} of the {} files of the model are here, without number {}: copy the others too",
                            set.files.size(), set.count, some_of(missing)));
}

/// The files that are the whole model, where there is no index.
std::vector<std::string> only_model(const std::set<std::string>& names, const FileForm& form) {
    if (names.empty()) throw Error(fmt::format("no {} files in it", form.what));
    if (names.contains(form.model)) return {form.model};
    if (const std::optional<PartSet> set = only_set(names, form)) {
        if (!set->is_complete()) refuse_incomplete(*set);
        std::vector<std::string> files;
        for (const auto& [number, name] : set->files) files.push_back(name);
        return files;
    }
    if (names.size() == 1) return {*names.begin()};
    throw Error(
        fmt::format("{} and no '{}{}', which says what belongs together: copy it too, or name the file that is the "
                    "whole model",
                    name_list(names), form.model, kIndex));
}

std::string only_index(const std::set<std::string>& names, const FileForm& form) {
    std::string usual = form.model + std::string(kIndex);
    if (names.contains(usual)) return usual;
    if (names.size() == 1) return *names.begin();
    throw Error(fmt::format("several indices, {}: leave one", name_list(names)));
}

/// The index's weight_map, tensor to file name.
std::map<std::string, std::string> read_weight_map(const std::string& path, const FileForm& form) {
    const nlohmann::json index = read_json(path, kMaxIndexBytes);
    const auto map = index.is_object() ? index.find("weight_map") : index.end();
    if (map == index.end() || !map->is_object() || map->empty()) throw Error(path + ": has no 'weight_map'");
    std::map<std::string, std::string> files;
    for (const auto& [tensor, file] : map->items()) {
        const std::string name = file.is_string() ? file.get<std::string>() : "";
        if (!name.ends_with(form.tensors) || name.find('/') != std::string::npos) {
            throw Error(
                fmt::format("{}: '{}' is in {}, which is no {} file beside it", path, tensor, file.dump(), form.what));
        }
        files.emplace(tensor, name);
    }
    return files;
}

/// A part under the model's own name that the index does not know is of another save, or the index is.
void refuse_other_parts(const std::set<std::string>& named, const std::set<std::string>& present,
                        const std::string& index, const FileForm& form) {
    std::set<std::string> models, others;
    for (const std::string& name : named) {
        if (const auto part = parse_part(name, form)) models.insert(part->model);
    }
    for (const std::string& name : present) {
        const auto part = parse_part(name, form);
        if (part && !named.contains(name) && models.contains(part->model)) others.insert(name);
    }
    if (others.empty()) return;
    throw Error(fmt::format("{}: does not name {}, which {} of the same model by {}: take away what is of another save",
                            index, name_list(others), others.size() == 1 ? "is a part" : "are parts",
                            others.size() == 1 ? "its name" : "their names"));
}

ModelFiles files_of_index(const fs::path& directory, const std::string& index, const std::set<std::string>& present,
                          const FileForm& form) {
    ModelFiles model{.index = (directory / index).string()};
    std::set<std::string> named, missing;
    for (const auto& [tensor, file] : read_weight_map(model.index, form)) {
        (present.contains(file) ? named : missing).insert(file);
        model.weight_map.emplace(tensor, (directory / file).string());
    }
    if (!missing.empty())
        throw Error(fmt::format("{}: names files that are missing: {}", model.index, name_list(missing)));
    if (present.contains(form.model) && !named.contains(form.model)) {
        throw Error(fmt::format("both '{}' and '{}' of other files: take one of them away", form.model, index));
    }
    refuse_other_parts(named, present, model.index, form);
    for (const std::string& name : named) model.paths.push_back((directory / name).string());
    for (const std::string& name : present) {
        if (!named.contains(name)) model.dropped.push_back({name, fmt::format("not in '{}'", index)});
    }
    return model;
}

ModelFiles find_in_directory(const std::string& directory, const FileForm& form) {
    const Listing found = list(directory, form);
    if (!found.indices.empty()) return files_of_index(directory, only_index(found.indices, form), found.tensors, form);
    const std::vector<std::string> names = only_model(found.tensors, form);
    ModelFiles model;
    for (const std::string& name : names) model.paths.push_back((fs::path(directory) / name).string());
    for (const std::string& other : found.tensors) {
        if (std::ranges::find(names, other) != names.end()) continue;
        model.dropped.push_back({other, fmt::format("not part of '{}'", names.front())});
    }
    return model;
}

/// A tensor must be where the index says, and nowhere else.
void check_place(const std::string& tensor, const std::string& path, const ModelFiles& model) {
    const auto named = model.weight_map.find(tensor);
    if (named == model.weight_map.end())
        throw Error(fmt::format("{}: holds '{}', which the index does not name", path, tensor));
    if (named->second != path) {
        throw Error(fmt::format("{}: holds '{}', which the index says is in '{}'", path, tensor, named->second));
    }
}

}  // namespace

Certainty look_at(const std::string& path, const FileForm& form) {
    if (kind_of(path) == PathKind::file) return path.ends_with(form.tensors) ? Certainty::model : Certainty::nothing;
    const Listing found = list(path, form);
    if (!found.indices.empty() || found.tensors.contains(form.model)) return Certainty::model;
    if (found.tensors.empty()) return Certainty::nothing;
    return only_set(found.tensors, form) ? Certainty::model : Certainty::some_file;
}

ModelFiles find_model_files(const std::string& path, const FileForm& form, bool is_part_wanted) {
    if (kind_of(path) != PathKind::file) return find_in_directory(path, form);
    const std::string name = fs::path(path).filename().string();
    const auto part = name.ends_with(form.tensors) ? parse_part(name, form) : std::nullopt;
    if (part && !is_part_wanted) {
        throw Error(
            fmt::format("is part {} of a model in {} files: name its directory, or pass --set input.options.part=true "
                        "to read this part alone",
                        part->number, part->count));
    }
    return {.paths = {path}};
}

void check_against_index(const ModelFiles& model, const std::vector<SourceTensor>& tensors,
                         const std::vector<SourceFile>& files) {
    if (model.index.empty()) return;
    std::unordered_set<std::string_view> there;
    for (const SourceTensor& tensor : tensors) {
        check_place(tensor.name, files[tensor.shards.front().file].path, model);
        there.insert(tensor.name);
    }
    for (const auto& [tensor, path] : model.weight_map) {
        if (!there.contains(tensor))
            throw Error(fmt::format("{}: does not hold '{}', which the index says it does", path, tensor));
    }
}

}  // namespace unshard::hub
