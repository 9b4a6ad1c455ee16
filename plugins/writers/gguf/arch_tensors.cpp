// data/tensors.toml is made from llama.cpp's sources. A tensor that only some models of an architecture need is under
// `takes`: that it is missing is not found here.

#include "arch_tensors.hpp"

#include "models/name_pattern.hpp"
#include "own_data.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

namespace unshard::gguf {
namespace {

/// "blk.7.attn_q.weight" as "blk.{layer}.attn_q.weight".
std::string general_name(const std::string& name) {
    static const NamePattern kLayer("blk.{layer}.");
    const std::size_t end = name.find('.', 4);
    if (end == std::string::npos || !kLayer.match(name.substr(0, end + 1))) return name;
    return kLayer.text() + name.substr(end + 1);
}

[[noreturn]] void fail_unknown(const WrittenTensor& tensor, const std::string& arch, std::size_t others) {
    const std::string more = others == 0 ? "" : fmt::format(" and {} more", others);
    if (tensor.name == "output.weight") {
        throw Error(
            fmt::format("{}: llama.cpp has no output of its own for architecture '{}', it takes the embedding: if both "
                        "are the same, say so with \"tie_word_embeddings\": true in config.json, and they are compared",
                        tensor.source, arch));
    }
    throw Error(fmt::format("{}{}: llama.cpp has no tensor '{}' in architecture '{}' and would not load the file",
                            tensor.source, more, tensor.name, arch));
}

std::set<std::string> names_of_all_layers(const std::set<std::string>& names, std::uint64_t layers) {
    std::set<std::string> all;
    for (const std::string& name : names) {
        const NamePattern pattern(name);
        for (std::uint64_t i = 0; i < (pattern.placeholders().empty() ? 1 : layers); ++i) {
            all.insert(pattern.placeholders().empty() ? name : pattern.fill({{"layer", i}}));
        }
    }
    return all;
}

}  // namespace

ArchTensors arch_tensors_of(const Node& table) {
    table.check_keys({"needs", "takes"});
    const auto needs = table.texts("needs"), takes = table.texts("takes");
    return {{needs.begin(), needs.end()}, {takes.begin(), takes.end()}};
}

std::optional<ArchTensors> arch_tensors(const std::string& arch) {
    const Document file = own_data("tensors.toml");
    const Node root(file);
    return root.has(arch) ? std::optional(arch_tensors_of(root.table(arch))) : std::nullopt;
}

void check_arch_tensors(const ArchTensors& known, const std::string& arch, std::uint64_t layers,
                        std::span<const WrittenTensor> written) {
    std::set<std::string> names;
    std::vector<const WrittenTensor*> unknown;
    for (const WrittenTensor& tensor : written) {
        names.insert(tensor.name);
        if (!known.has(general_name(tensor.name))) unknown.push_back(&tensor);
    }
    if (!unknown.empty()) fail_unknown(*unknown.front(), arch, unknown.size() - 1);
    for (const std::string& name : names_of_all_layers(known.needs, layers)) {
        if (names.contains(name)) continue;
        throw Error(
            fmt::format("llama.cpp needs a tensor '{}' in architecture '{}', for which this model has nothing: it "
                        "would not load the file",
                        name, arch));
    }
}

}  // namespace unshard::gguf
