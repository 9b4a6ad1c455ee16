// __metadata__ of such a file has a text 'DCP_SHARDING_INFO', JSON: {"name": {"saved_offsets": [0, 16]}}
// (torch/distributed/checkpoint/filesystem.py, _hf_utils.py).

#include "formats/safetensors/safetensors_shards.hpp"

#include "unshard/tools/json_file.hpp"

#include <fmt/format.h>

namespace unshard::torch {
namespace {

/// Some 100 bytes a tensor.
constexpr std::size_t kMaxBytes = 32 << 20;

Dims read_origin(const nlohmann::json& note) {
    const auto offsets = note.is_object() ? note.find("saved_offsets") : note.end();
    if (offsets == note.end() || !offsets->is_array()) throw Error("has no list 'saved_offsets'");
    Dims origin;
    for (const nlohmann::json& offset : *offsets) {
        if (!offset.is_number_unsigned()) throw Error("has an offset that is no count");
        origin.push_back(offset.get<std::uint64_t>());
    }
    return origin;
}

}  // namespace

Shard shard_of(const SafetensorsEntry& entry, std::uint32_t file, Dims origin) {
    return contiguous_shard(file, entry.offset, entry.dtype, {.shape = entry.shape, .origin = std::move(origin)});
}

std::optional<std::map<std::string, Dims>> read_sharding_info(const SafetensorsHeader& header) {
    const auto found = header.metadata.find("DCP_SHARDING_INFO");
    if (found == header.metadata.end()) return std::nullopt;
    if (found->second.size() > kMaxBytes) throw Error("DCP_SHARDING_INFO is larger than 32 MiB");
    const nlohmann::json notes = [&] {
        try {
            return parse_json(found->second);
        } catch (const Error& e) {
            throw Error(std::string("DCP_SHARDING_INFO: ") + e.what());
        }
    }();
    if (!notes.is_object()) throw Error("DCP_SHARDING_INFO is not a JSON object");
    std::map<std::string, Dims> origins;
    for (const auto& [name, note] : notes.items()) {
        try {
            origins.emplace(name, read_origin(note));
        } catch (const Error& e) {
            throw Error(fmt::format("DCP_SHARDING_INFO: '{}' {}", name, e.what()));
        }
    }
    return origins;
}

}  // namespace unshard::torch
