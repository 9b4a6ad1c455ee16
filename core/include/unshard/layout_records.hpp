// The layout as records, both ways.
#pragma once

#include "unshard/layout.hpp"
#include "unshard/records.hpp"

namespace unshard::abi {

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

}  // namespace unshard::abi
