// The tensors of llama.cpp's architectures. llama.cpp does not load a file in which one is missing or unknown.
#pragma once

#include "models/document.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace unshard::gguf {

/// Names with {layer} for the number of a layer.
struct ArchTensors {
    std::set<std::string> needs;
    std::set<std::string> takes;  ///< optional, or of some models only

    bool has(const std::string& name) const { return needs.contains(name) || takes.contains(name); }
};

/// From a table that has `needs` and `takes`. Throws UsageError for anything else in it.
ArchTensors arch_tensors_of(const Node& table);

/// From data/tensors.toml; nothing for an architecture that is not in it.
std::optional<ArchTensors> arch_tensors(const std::string& arch);

/// A tensor about to be written, and what it is called in the checkpoint.
struct WrittenTensor {
    std::string name;
    std::string source;
};

/// Throws Error that names a tensor that llama.cpp does not know, or one that it needs and does not get.
void check_arch_tensors(const ArchTensors& known, const std::string& arch, std::uint64_t layers,
                        std::span<const WrittenTensor> written);

}  // namespace unshard::gguf
