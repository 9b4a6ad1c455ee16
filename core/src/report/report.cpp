#include "report/report.hpp"

#include "report/report_common.hpp"
#include "text/printable.hpp"
#include "text/quantity.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace unshard {
namespace {

constexpr std::size_t kMostNames = 4;

std::string input_text(const RunReport& r) {
    std::string text = fmt::format("{}: {} (reader {}, merger {})\n", printable(r.input), r.format, r.reader, r.merger);
    text += fmt::format("  {}, {}; {}, {}\n", count_of(r.source_files, "file"), size_text(r.source_bytes),
                        count_of(r.tensors, "tensor"), count_of(r.parameters, "parameter"));
    for (const std::string& change : r.name_changes) text += fmt::format("  {}\n", printable(change));
    if (!r.model_check.empty()) text += fmt::format("  {}\n", printable(r.model_check));
    if (!r.assets.empty()) text += fmt::format("  configuration and tokenizer from {}\n", printable(r.assets));
    return text;
}

/// Files by name in a dry run, where they cannot be looked at; else how many.
std::string output_text(const OutputReport& o, bool dry_run) {
    std::string text = fmt::format("{}: {}, {} in {}, {}\n", printable(o.path), o.writer, count_of(o.tensors, "tensor"),
                                   count_of(o.files.size(), "file"), size_text(o.bytes));
    if (dry_run) {
        for (const OutputFile& f : o.files) {
            text +=
                fmt::format("  {}  {}\n", f.name.empty() ? printable(o.path) : printable(f.name), size_text(f.bytes));
        }
    }
    if (!o.assets.empty()) text += fmt::format("  copied beside: {}\n", printable(some_of(o.assets, kMostNames)));
    if (!o.left_behind.empty())
        text += fmt::format("  not copied: {}\n", printable(some_of(o.left_behind, kMostNames)));
    return text;
}

std::string effort_text(const RunReport& r) {
    const CopyReport& c = r.copied;
    std::string text = fmt::format("wrote {} in {}", size_text(c.bytes_written), duration_text(r.seconds));
    const std::string rate = rate_text(c.bytes_written, r.seconds);
    if (!rate.empty()) text += fmt::format(" ({})", rate);
    text += fmt::format(", peak memory {}\n", size_text(peak_memory_bytes()));
    if (c.replicas_compared == c.replicas && c.replicas != 0) {
        text += fmt::format("compared {} of replicas: equal\n", size_text(c.replicas));
    } else if (c.replicas != 0) {
        text += fmt::format("compared a sample of the replicas, {} of {}: equal; --verify-replicas compares all\n",
                            size_text(c.replicas_compared), size_text(c.replicas));
    }
    return text;
}

nlohmann::ordered_json to_json(const OutputReport& o) {
    auto files = nlohmann::ordered_json::array();
    for (const OutputFile& f : o.files) files.push_back({{"name", f.name}, {"bytes", f.bytes}});
    return {{"path", o.path},
            {"writer", o.writer},
            {"files", files},
            {"bytes", o.bytes},
            {"tensors", o.tensors},
            {"assets", o.assets},
            {"not_copied", o.left_behind},
            {"dropped", to_json(o.dropped)}};
}

}  // namespace

std::uint64_t peak_memory_bytes() {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("VmHWM:")) return std::strtoull(line.c_str() + 6, nullptr, 10) * 1024;
    }
    return 0;
}

std::string to_text(const RunReport& report, bool dry_run) {
    std::string text = input_text(report);
    std::vector<Dropped> dropped = report.dropped;
    for (const OutputReport& o : report.outputs) dropped.insert(dropped.end(), o.dropped.begin(), o.dropped.end());
    if (!dropped.empty()) text += fmt::format("left out {}:\n{}", grouped(dropped.size()), dropped_text(dropped));
    for (const OutputReport& o : report.outputs) text += output_text(o, dry_run);
    return text + (dry_run ? "nothing was written: this is the plan\n" : effort_text(report));
}

nlohmann::ordered_json to_json(const RunReport& report, bool dry_run) {
    auto outputs = nlohmann::ordered_json::array();
    for (const OutputReport& o : report.outputs) outputs.push_back(to_json(o));
    const CopyReport& c = report.copied;
    return {{"input", report.input},
            {"format", report.format},
            {"reader", report.reader},
            {"merger", report.merger},
            {"assets", report.assets},
            {"model_check", report.model_check},
            {"name_changes", report.name_changes},
            {"ranks", report.ranks},
            {"source_files", report.source_files},
            {"source_bytes", report.source_bytes},
            {"tensors", report.tensors},
            {"parameters", report.parameters},
            {"dropped", to_json(report.dropped)},
            {"warnings", report.warnings},
            {"outputs", outputs},
            {"dry_run", dry_run},
            {"bytes_written", c.bytes_written},
            {"replica_bytes_compared", c.replicas_compared},
            {"replica_bytes", c.replicas},
            {"seconds", report.seconds},
            {"peak_memory_bytes", peak_memory_bytes()}};
}

}  // namespace unshard
