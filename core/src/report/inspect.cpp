#include "report/inspect.hpp"

#include "input/locate.hpp"
#include "report/metadata_text.hpp"
#include "report/report_common.hpp"
#include "report/stored.hpp"
#include "text/name_groups.hpp"
#include "text/printable.hpp"
#include "text/quantity.hpp"
#include "text/ranks.hpp"
#include "text/table.hpp"
#include "verify/verify.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

namespace unshard {
namespace {

std::string shape_text(const SourceTensor& tensor) {
    const auto shape = known_shape(tensor);
    return shape ? to_string(*shape) : "?";
}

/// Everything about a tensor but its name.
TableRow row_of(const SourceTensor& tensor, const CheckpointIndex& index) {
    return {"", type_text(tensor), shape_text(tensor), stored_text(tensor, index), "", size_text(stored_bytes(tensor))};
}

std::vector<NameGroup> rows_of_names(const std::vector<NamedItem>& items, bool all) {
    if (!all) return group_names(items);
    std::vector<NameGroup> groups;
    for (std::size_t i = 0; i < items.size(); ++i) groups.push_back({items[i].name, {i}});
    return groups;
}

std::vector<TableRow> rows_of(const CheckpointIndex& index, bool all) {
    std::vector<TableRow> each;
    std::vector<NamedItem> items;
    for (const SourceTensor& tensor : index.tensors) {
        each.push_back(row_of(tensor, index));
        items.push_back({tensor.name, fmt::format("{}", fmt::join(each.back(), "|"))});
    }
    std::vector<TableRow> rows;
    for (const NameGroup& group : rows_of_names(items, all)) {
        TableRow row = each[group.members.front()];
        row[0] = printable(group.name);
        std::uint64_t bytes = 0;
        for (const std::size_t i : group.members) bytes = checked_add(bytes, stored_bytes(index.tensors[i]));
        if (group.members.size() > 1) row[4] = "x" + grouped(group.members.size());
        row[5] = size_text(bytes);
        rows.push_back(std::move(row));
    }
    return rows;
}

std::string mesh_text(const Mesh& mesh) {
    std::vector<std::string> names;
    for (const std::string& name : mesh.dim_names) names.push_back("'" + printable(name) + "'");
    std::vector<std::uint64_t> ranks = mesh.ranks;
    const std::string where = names.empty() ? "" : fmt::format(" ({})", fmt::join(names, ", "));
    return fmt::format("{}{}: {}", to_string(mesh.shape), where, ranks_text(std::move(ranks)));
}

std::uint64_t parameters_of(const CheckpointIndex& index) {
    std::uint64_t count = 0;
    for (const SourceTensor& tensor : index.tensors) {
        const auto shape = known_shape(tensor);
        if (shape) count = checked_add(count, shape->numel());
    }
    return count;
}

std::uint64_t weight_bytes(const CheckpointIndex& index) {
    std::uint64_t bytes = 0;
    for (const SourceTensor& tensor : index.tensors) bytes = checked_add(bytes, stored_bytes(tensor));
    return bytes;
}

/// "  2.10 MiB of weights, 4.85 bits each; f32 x9, q4_k x12": of what is stored once, whole.
std::string weights_text(const CheckpointIndex& index) {
    std::map<std::string, std::uint64_t> types;
    for (const SourceTensor& tensor : index.tensors) ++types[type_text(tensor)];
    const std::uint64_t bytes = weight_bytes(index);
    std::vector<std::string> parts;
    for (const auto& [type, count] : types) parts.push_back(fmt::format("{} x{}", type, grouped(count)));
    const double bits =
        8 * static_cast<double>(bytes) / static_cast<double>(std::max<std::uint64_t>(parameters_of(index), 1));
    return fmt::format("  {} of weights, {:.2f} bits each; {}\n", size_text(bytes), bits, fmt::join(parts, ", "));
}

bool has_blocks(const CheckpointIndex& index) {
    return std::any_of(index.tensors.begin(), index.tensors.end(), [](const SourceTensor& t) { return t.encoding; });
}

nlohmann::ordered_json to_json(const Shard& shard) {
    nlohmann::ordered_json json = {{"rank", shard.rank},
                                   {"file", shard.file},
                                   {"offset", shard.offset},
                                   {"bytes", shard.bytes},
                                   {"shape", to_json(shard.spec->shape)}};
    if (shard.spec->origin) json["origin"] = to_json(*shard.spec->origin);
    if (shard.spec->mesh) {
        json["mesh"] = *shard.spec->mesh;
        for (const Placement& p : shard.spec->placements) json["placements"].push_back(to_string(p));
    }
    return json;
}

nlohmann::ordered_json to_json(const SourceTensor& tensor, const CheckpointIndex& index) {
    const auto shape = known_shape(tensor);
    nlohmann::ordered_json json = {{"name", tensor.name}, {"dtype", type_text(tensor)}};
    json["shape"] = shape ? to_json(*shape) : nlohmann::ordered_json();
    json["stored"] = stored_text(tensor, index);
    json["bytes"] = stored_bytes(tensor);
    json["shards"] = nlohmann::ordered_json::array();
    for (const Shard& shard : tensor.shards) json["shards"].push_back(to_json(shard));
    return json;
}

}  // namespace

Inspection inspect(const Pipeline::Input& input, const Plugins& plugins, unsigned threads) {
    const LocatedInput located = locate_input(input, plugins, threads);
    Inspection result{located.path, located.reader_name, located.reader->index(located.request)};
    result.index.dropped.insert(result.index.dropped.end(), located.passed_over.begin(), located.passed_over.end());
    verify_index(result.index);
    return result;
}

std::string to_text(const Inspection& inspection, bool all) {
    const CheckpointIndex& index = inspection.index;
    const StoredFiles files = stored_files(index);
    std::string text = fmt::format("{}: {}", printable(inspection.path), index.format);
    text += fmt::format(" (reader {})\n", inspection.reader);
    text += fmt::format("  {}, {}; {}, {}\n", count_of(files.count, "file"), size_text(files.bytes),
                        count_of(index.tensors.size(), "tensor"), count_of(parameters_of(index), "parameter"));
    const std::string keys = keys_text(index.metadata);
    if (!keys.empty() || has_blocks(index)) text += weights_text(index);
    if (!keys.empty()) text += "\n" + keys;
    for (const Mesh& mesh : index.meshes) text += "  mesh " + mesh_text(mesh) + "\n";
    text += "\n" + table_text(rows_of(index, all), 2);
    if (!index.dropped.empty()) text += "\nnot part of the model:\n" + dropped_text(index.dropped);
    return text;
}

nlohmann::ordered_json to_json(const Inspection& inspection) {
    const CheckpointIndex& index = inspection.index;
    nlohmann::ordered_json json = {{"path", inspection.path},
                                   {"format", index.format},
                                   {"reader", inspection.reader},
                                   {"ranks", index.ranks},
                                   {"parameters", parameters_of(index)},
                                   {"weight_bytes", weight_bytes(index)},
                                   {"metadata", index.metadata}};
    for (const char* list : {"files", "meshes", "tensors", "dropped"}) json[list] = nlohmann::ordered_json::array();
    json["warnings"] = index.warnings;
    for (const SourceFile& f : index.files) {
        if (!f.packed) json["files"].push_back({{"path", f.path}, {"bytes", f.bytes}});
    }
    for (const Mesh& m : index.meshes) {
        json["meshes"].push_back({{"shape", to_json(m.shape)}, {"dim_names", m.dim_names}, {"ranks", m.ranks}});
    }
    for (const SourceTensor& t : index.tensors) json["tensors"].push_back(to_json(t, index));
    json["dropped"] = to_json(index.dropped);
    return json;
}

}  // namespace unshard
