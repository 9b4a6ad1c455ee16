// Names and keys as llama.cpp writes and checks them (llama_split_path, llama_model_loader): each file has split.no,
// from 0 on, split.count and split.tensors.count, the number of tensors in all of them.

#include "gguf/split_files.hpp"

#include "formats/gguf/format.hpp"
#include "formats/gguf/split_name.hpp"
#include "unshard/tools/directory.hpp"
#include "unshard/tools/in_context.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <set>
#include <string_view>
#include <system_error>

namespace unshard::gguf {
namespace {

namespace fs = std::filesystem;

/// The most that five digits can number.
constexpr std::uint64_t kMostFiles = 99999;

ModelFile read_file(const std::string& path) {
    const InputFile file(path);
    return {path, file.bytes(), file.stamp(), read_header(file)};
}

/// The beginning that the names of all files of the model share.
std::string prefix_of(const ModelFile& file, std::uint64_t count) {
    const std::uint64_t number = file.header.number("split.no", 0);
    if (number >= count || count > kMostFiles) {
        throw Error(fmt::format("is file {}, from 0 on, of {}", number, count));
    }
    const std::string suffix = split_suffix(number, count);
    if (file.path.ends_with(suffix)) return file.path.substr(0, file.path.size() - suffix.size());
    throw Error(
        fmt::format("is one of {} files of a model, its name must end in '{}': give it and the others their names back",
                    count, suffix));
}

void check_number(const ModelFile& file, std::uint64_t number, std::uint64_t count) {
    const std::uint64_t no = file.header.number("split.no", 0);
    const std::uint64_t of = file.header.number("split.count", 1);
    if (no == number && of == count) return;
    throw Error(
        fmt::format("{}: is file {}, from 0 on, of {}, its name says {} of {}", file.path, no, of, number, count));
}

void check_tensors(const std::vector<ModelFile>& files) {
    std::set<std::string_view> names;
    for (const ModelFile& file : files) {
        for (const StoredTensor& tensor : file.header.tensors) {
            if (names.insert(tensor.name).second) continue;
            throw Error(fmt::format("{}: tensor '{}' is in another file of the model too", file.path, tensor.name));
        }
    }
    const std::uint64_t stated = files.front().header.number("split.tensors.count", names.size());
    if (stated == names.size()) return;
    throw Error(fmt::format("{}: says that the model has {} tensors, its files hold {}", files.front().path, stated,
                            names.size()));
}

std::vector<ModelFile> read_model_of(const std::string& path) {
    std::vector<ModelFile> files;
    files.push_back(read_file(path));
    const std::uint64_t count = torch::in_context(path, [&] { return files[0].header.number("split.count", 1); });
    if (count <= 1) return files;
    const std::string prefix = torch::in_context(path, [&] { return prefix_of(files[0], count); });
    files.clear();
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::string name = prefix + split_suffix(i, count);
        if (!has_file(name)) throw Error(fmt::format("{}: is missing, a part of the model in {}", name, path));
        files.push_back(read_file(name));
        check_number(files.back(), i, count);
    }
    check_tensors(files);
    return files;
}

bool has_magic(const std::string& path) {
    const InputFile file(path);
    return file.bytes() >= kMagic.size() && file.read(0, kMagic.size()) == kMagic;
}

/// Sorted.
std::set<std::string> files_in(const std::string& directory) {
    std::set<std::string> found;
    for (const std::string& name : names_in(directory).value_or(std::vector<std::string>())) {
        if (name.ends_with(".gguf") && !name.starts_with('.')) found.insert((fs::path(directory) / name).string());
    }
    return found;
}

}  // namespace

bool has_model_files(const std::string& path) {
    return kind_of(path) == PathKind::file ? has_magic(path) : !files_in(path).empty();
}

std::vector<ModelFile> read_model_files(const std::string& path) {
    if (!has_directory(path)) return read_model_of(path);
    const std::set<std::string> there = files_in(path);
    if (there.empty()) throw Error(path + ": there is no file '*.gguf' in it");
    std::vector<ModelFile> files = read_model_of(*there.begin());
    if (files.size() == there.size()) return files;
    throw Error(fmt::format("{}: holds {} GGUF files, {} of them the model of '{}': name the file that is meant", path,
                            there.size(), files.size(), *there.begin()));
}

}  // namespace unshard::gguf
