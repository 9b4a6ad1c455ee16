// Values <-> ABI records, both ways, for both sides of the interface.
//
// Outgoing: C records point into the value that they were made from and into a Records object, which keeps their
// arrays; both must outlive their use. Incoming: every record is read through `for_each`, which honours the sender's
// item size, so that either side may be newer. Numbers that select something (an enum, a rank) are checked here;
// everything else by the engine's verify pass.
#pragma once

#include "unshard/abi.h"
#include "unshard/layout.hpp"
#include "unshard/request.hpp"
#include "unshard/tools/json_file.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace unshard::abi {

/// A record that cannot be turned into a value: the other side's mistake, not the user's. No Error: its text needs the
/// name of the plugin in front.
struct RecordError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline unshard_string text(std::string_view s) {
    return {s.data(), s.size()};
}
inline std::string text(unshard_string s) {
    return s.size == 0 ? std::string() : std::string(s.data, s.size);
}

inline unshard_dims record(const Dims& dims) {
    unshard_dims r{};
    r.rank = dims.rank();
    std::copy(dims.begin(), dims.end(), r.values);
    return r;
}
inline Dims value(const unshard_dims& r) {
    if (r.rank > kMaxDims) throw RecordError(std::to_string(r.rank) + " dimensions, at most 8 are possible");
    return Dims(std::span(r.values, r.rank));
}

inline unshard_box record(const Box& box) {
    return {record(box.origin), record(box.extent)};
}
inline Box value(const unshard_box& r) {
    return {value(r.origin), value(r.extent)};
}

inline DType dtype(std::uint32_t code) {
    if (!is_dtype(code)) throw RecordError("dtype " + std::to_string(code) + " is unknown");
    return static_cast<DType>(code);
}

inline std::string json_text(const nlohmann::json& object) {
    try {
        return object.dump();
    } catch (const nlohmann::json::exception&) {
        throw Error("a text in options or metadata is not UTF-8");
    }
}
/// The object in a JSON text; an absent text is an empty object.
inline nlohmann::json json_object(unshard_string s) {
    if (s.size == 0) return nlohmann::json::object();
    try {
        nlohmann::json object = parse_json({s.data, s.size});
        if (object.is_object()) return object;
    } catch (const Error&) {
    }
    throw RecordError("options or metadata are not a JSON object");
}

/// Owns the arrays of outgoing records.
class Records {
public:
    /// One record for each value, made by `convert(value)`.
    template <class Values, class Convert>
    unshard_array array(const Values& values, Convert convert) {
        using Record = std::invoke_result_t<Convert, decltype(*values.begin())>;
        if (values.empty()) return {nullptr, 0, sizeof(Record)};
        auto records = std::make_shared<std::vector<Record>>();
        records->reserve(values.size());
        for (const auto& v : values) records->push_back(convert(v));
        owned_.push_back(records);
        return {records->data(), records->size(), sizeof(Record)};
    }
    unshard_array strings(const std::vector<std::string>& values) {
        return array(values, [](const std::string& s) { return text(s); });
    }
    unshard_string own(std::string s) {
        const auto owned = std::make_shared<std::string>(std::move(s));
        owned_.push_back(owned);
        return text(*owned);
    }

private:
    std::vector<std::shared_ptr<void>> owned_;
};

/// Calls `use(record)` for each record of an array, whatever size the sender's records have.
template <class Record, class Use>
void for_each(const unshard_array& array, Use use) {
    if (array.count != 0 && (array.data == nullptr || array.item_size == 0)) {
        throw RecordError("an array of " + std::to_string(array.count) + " records has no data");
    }
    const auto* bytes = static_cast<const char*>(array.data);
    for (std::uint64_t i = 0; i < array.count; ++i) {
        Record r{};
        std::memcpy(&r, bytes + i * array.item_size, std::min<std::uint64_t>(sizeof r, array.item_size));
        use(r);
    }
}

template <class Record, class Convert>
auto values(const unshard_array& array, Convert convert) {
    std::vector<std::invoke_result_t<Convert, const Record&>> result;
    for_each<Record>(array, [&](const Record& r) { result.push_back(convert(r)); });
    return result;
}

inline std::vector<std::string> strings(const unshard_array& array) {
    return values<unshard_string>(array, [](const unshard_string& s) { return text(s); });
}

template <class Record>
Record only(const unshard_array& array) {
    if (array.count != 1) throw RecordError(std::to_string(array.count) + " records where one is due");
    Record result{};
    for_each<Record>(array, [&](const Record& r) { result = r; });
    return result;
}

template <class Record>
unshard_array one(const Record& record) {
    return {&record, 1, sizeof(Record)};
}

inline unshard_array records(Records& own, const std::vector<Dropped>& dropped) {
    return own.array(dropped, [](const Dropped& d) { return unshard_dropped{text(d.name), text(d.why)}; });
}
inline std::vector<Dropped> dropped(const unshard_array& array) {
    return values<unshard_dropped>(array, [](const unshard_dropped& r) { return Dropped{text(r.name), text(r.why)}; });
}

inline unshard_encoding record(const Encoding& e) {
    return {text(e.name), e.block_elems, e.block_bytes};
}
inline Encoding value(const unshard_encoding& r) {
    return {text(r.name), r.block_elems, r.block_bytes};
}

// ---- index ----

inline unshard_shard record(Records& own, const Shard& s) {
    unshard_shard r{};
    r.offset = s.offset;
    r.bytes = s.bytes;
    r.first = s.first;
    r.shape = record(s.shape);
    r.stride = record(s.stride);
    r.file = s.file;
    r.rank = s.rank;
    r.has_origin = s.origin.has_value();
    r.has_mesh = s.mesh.has_value();
    r.origin = record(s.origin.value_or(Dims()));
    r.mesh = s.mesh.value_or(0);
    r.placements = own.array(s.placements, [](const Placement& p) {
        return unshard_placement{static_cast<std::uint32_t>(p.kind), p.dim, p.split_factor};
    });
    r.has_crc32 = s.crc32.has_value();
    r.crc32 = s.crc32.value_or(0);
    return r;
}

inline Placement value(const unshard_placement& r) {
    if (r.kind > static_cast<std::uint32_t>(PlacementKind::partial_avg)) {
        throw RecordError("placement kind " + std::to_string(r.kind) + " is unknown");
    }
    return {static_cast<PlacementKind>(r.kind), r.dim, r.split_factor};
}

inline Shard value(const unshard_shard& r) {
    Shard s;
    s.offset = r.offset;
    s.bytes = r.bytes;
    s.first = r.first;
    s.shape = value(r.shape);
    s.stride = value(r.stride);
    s.file = r.file;
    s.rank = r.rank;
    if (r.has_origin != 0) s.origin = value(r.origin);
    if (r.has_mesh != 0) s.mesh = r.mesh;
    s.placements = values<unshard_placement>(r.placements, [](const unshard_placement& p) { return value(p); });
    if (r.has_crc32 != 0) s.crc32 = r.crc32;
    return s;
}

inline unshard_source_file record(const SourceFile& f) {
    unshard_source_file r{};
    r.path = text(f.path);
    r.bytes = f.bytes;
    r.device = f.stamp.device;
    r.inode = f.stamp.inode;
    r.modified_ns = f.stamp.modified_ns;
    r.changed_ns = f.stamp.changed_ns;
    if (!f.packed) return r;
    r.packing = static_cast<std::uint32_t>(f.packed->format);
    r.packed_file = f.packed->file;
    r.packed_offset = f.packed->offset;
    r.packed_bytes = f.packed->bytes;
    return r;
}
inline SourceFile value(const unshard_source_file& r) {
    SourceFile f{text(r.path), r.bytes, std::nullopt, {r.device, r.inode, r.modified_ns, r.changed_ns}};
    if (r.packing == 0) return f;
    const auto format = static_cast<Packed::Format>(r.packing);
    if (format != Packed::Format::zstd) throw RecordError("packing " + std::to_string(r.packing) + " is unknown");
    f.packed = Packed{format, r.packed_file, r.packed_offset, r.packed_bytes};
    return f;
}

inline unshard_index record(Records& own, const CheckpointIndex& index) {
    unshard_index r{};
    r.format = text(index.format);
    r.ranks = index.ranks;
    r.files = own.array(index.files, [](const SourceFile& f) { return record(f); });
    r.meshes = own.array(index.meshes, [&](const Mesh& m) {
        return unshard_mesh{record(m.shape), own.strings(m.dim_names),
                            own.array(m.ranks, [](std::uint64_t v) { return v; })};
    });
    r.tensors = own.array(index.tensors, [&](const SourceTensor& t) {
        return unshard_source_tensor{text(t.name),
                                     static_cast<std::uint32_t>(t.dtype),
                                     t.shape.has_value(),
                                     record(t.shape.value_or(Dims())),
                                     own.array(t.shards, [&](const Shard& s) { return record(own, s); }),
                                     t.encoding ? record(*t.encoding) : unshard_encoding{}};
    });
    r.dropped = records(own, index.dropped);
    r.warnings = own.strings(index.warnings);
    r.metadata = own.own(json_text(index.metadata));
    r.is_training_state = index.is_training_state;
    return r;
}

inline SourceTensor value(const unshard_source_tensor& r) {
    SourceTensor t{text(r.name), dtype(r.dtype), {}, {}};
    if (r.encoding.name.size != 0) t.encoding = value(r.encoding);
    if (r.has_shape != 0) t.shape = value(r.shape);
    t.shards = values<unshard_shard>(r.shards, [](const unshard_shard& s) { return value(s); });
    return t;
}

inline CheckpointIndex value(const unshard_index& r) {
    CheckpointIndex index;
    index.format = text(r.format);
    index.ranks = r.ranks;
    index.files = values<unshard_source_file>(r.files, [](const unshard_source_file& f) { return value(f); });
    index.meshes = values<unshard_mesh>(r.meshes, [](const unshard_mesh& m) {
        return Mesh{value(m.shape), strings(m.dim_names),
                    values<std::uint64_t>(m.ranks, [](std::uint64_t v) { return v; })};
    });
    index.tensors = values<unshard_source_tensor>(r.tensors, [](const unshard_source_tensor& t) { return value(t); });
    index.dropped = dropped(r.dropped);
    index.warnings = strings(r.warnings);
    index.metadata = json_object(r.metadata);
    index.is_training_state = r.is_training_state != 0;
    return index;
}

// ---- plan ----

inline unshard_copy record(const Copy& c) {
    return {c.tensor, c.shard, c.first, record(c.stride), record(c.box), static_cast<std::uint32_t>(c.mode),
            0,        c.factor};
}
inline Copy value(const unshard_copy& r) {
    if (r.mode > static_cast<std::uint32_t>(CopyMode::add)) {
        throw RecordError("copy mode " + std::to_string(r.mode) + " is unknown");
    }
    return {r.tensor, r.shard, r.first, value(r.stride), value(r.box), static_cast<CopyMode>(r.mode), r.factor};
}

inline unshard_plan record(Records& own, const Plan& plan) {
    const auto copies = [&](const std::vector<Copy>& list) {
        return own.array(list, [](const Copy& c) { return record(c); });
    };
    return {own.array(plan.tensors,
                      [&](const PlannedTensor& t) {
                          return unshard_planned_tensor{text(t.name),      static_cast<std::uint32_t>(t.dtype),
                                                        t.replicas_stated, record(t.shape),
                                                        record(t.view),    copies(t.copies),
                                                        copies(t.replicas)};
                      }),
            records(own, plan.dropped), own.strings(plan.warnings)};
}

inline PlannedTensor value(const unshard_planned_tensor& r) {
    const auto copies = [](const unshard_array& list) {
        return values<unshard_copy>(list, [](const unshard_copy& c) { return value(c); });
    };
    return {text(r.name),     dtype(r.dtype),     value(r.shape),        value(r.view),
            copies(r.copies), copies(r.replicas), r.replicas_stated != 0};
}

inline Plan value(const unshard_plan& r) {
    return {values<unshard_planned_tensor>(r.tensors, [](const unshard_planned_tensor& t) { return value(t); }),
            dropped(r.dropped), strings(r.warnings)};
}

// ---- layout ----

inline unshard_placed record(const Placed& p) {
    unshard_placed r{};
    r.tensor = p.tensor;
    r.file = p.file;
    r.encoding = p.encoding;
    r.view = record(p.view);
    r.box = record(p.box);
    Dims axes;
    for (const std::uint32_t a : p.axes) axes.push_back(a);
    r.axes = record(axes);
    r.add = p.add;
    r.offset = p.offset;
    return r;
}
inline Placed value(const unshard_placed& r) {
    std::vector<std::uint32_t> axes;
    for (const std::uint64_t axis : value(r.axes)) {
        if (axis >= kMaxDims) throw RecordError("axis " + std::to_string(axis) + ", the highest possible is 7");
        axes.push_back(static_cast<std::uint32_t>(axis));
    }
    return {r.tensor, value(r.view), value(r.box), std::move(axes), r.add, r.file, r.offset, r.encoding};
}

inline unshard_layout record(Records& own, const Layout& layout) {
    unshard_layout r{};
    r.encodings = own.array(layout.encodings, [](const Encoding& e) { return record(e); });
    r.files = own.array(layout.files, [](const OutputFile& f) { return unshard_output_file{text(f.name), f.bytes}; });
    r.literals = own.array(layout.literals,
                           [](const Literal& l) { return unshard_literal{l.file, 0, l.offset, text(l.bytes)}; });
    r.placed = own.array(layout.placed, [](const Placed& p) { return record(p); });
    r.assets = own.array(layout.assets, [](const Asset& a) { return unshard_asset{text(a.source), text(a.name)}; });
    r.dropped = records(own, layout.dropped);
    r.warnings = own.strings(layout.warnings);
    r.left_behind = own.strings(layout.left_behind);
    r.tensors = layout.tensors;
    return r;
}

inline Layout value(const unshard_layout& r) {
    Layout layout;
    layout.encodings = values<unshard_encoding>(r.encodings, [](const unshard_encoding& e) { return value(e); });
    layout.files = values<unshard_output_file>(
        r.files, [](const unshard_output_file& f) { return OutputFile{text(f.name), f.bytes}; });
    layout.literals = values<unshard_literal>(
        r.literals, [](const unshard_literal& l) { return Literal{l.file, l.offset, text(l.bytes)}; });
    layout.placed = values<unshard_placed>(r.placed, [](const unshard_placed& p) { return value(p); });
    layout.assets =
        values<unshard_asset>(r.assets, [](const unshard_asset& a) { return Asset{text(a.source), text(a.name)}; });
    layout.dropped = dropped(r.dropped);
    layout.warnings = strings(r.warnings);
    layout.left_behind = strings(r.left_behind);
    layout.tensors = r.tensors;
    return layout;
}

// ---- request ----

inline unshard_request record(Records& own, const Request& request) {
    return {text(request.input),
            text(request.output),
            text(request.assets),
            own.own(json_text(request.options)),
            request.threads,
            0,
            own.own(json_text(request.config)),
            own.own(json_text(request.model)),
            own.own(json_text(request.config_changes))};
}
inline Request value(const unshard_request& r) {
    Request request;
    request.input = text(r.input);
    request.output = text(r.output);
    request.assets = text(r.assets);
    request.options = json_object(r.options);
    request.threads = std::max(r.threads, 1U);
    request.config = text(r.config) == "null" ? nlohmann::json() : json_object(r.config);
    request.model = json_object(r.model);
    request.config_changes = json_object(r.config_changes);
    return request;
}

}  // namespace unshard::abi
