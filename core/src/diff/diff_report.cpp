// The two ways to show a DiffReport.

#include "diff/diff.hpp"
#include "report/report_common.hpp"
#include "text/name_groups.hpp"
#include "text/printable.hpp"
#include "text/quantity.hpp"
#include "text/table.hpp"
#include "unshard/tools/name_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace unshard {
namespace {

std::string form(const DiffTensor& tensor) {
    return tensor.type + " " + to_string(tensor.shape);
}

const std::string& name_of(const DiffTensor& tensor) {
    return tensor.name;
}
const std::string& name_of(const DifferentTensor& tensor) {
    return tensor.a.name;
}

/// One row for each group of tensors whose names differ in numbers alone: `form_of` describes a tensor, `kind_of` must
/// be the same within a group, `last` is the last column.
template <class Items, class Form, class Kind, class Last>
std::string groups_text(const Items& items, Form form_of, Kind kind_of, Last last) {
    std::vector<NamedItem> named;
    for (const auto& item : items) named.push_back({name_of(item), kind_of(item)});
    std::vector<TableRow> rows;
    for (const NameGroup& group : group_names(named)) {
        const std::string count = group.members.size() > 1 ? "x" + grouped(group.members.size()) : "";
        rows.push_back({printable(group.name), form_of(items[group.members.front()]), count, last(group.members)});
    }
    return table_text(rows, 0);
}

std::string only_text(std::string_view heading, const std::vector<DiffTensor>& tensors) {
    if (tensors.empty()) return "";
    const auto kind_of = [](const DiffTensor& t) { return form(t) + t.why; };
    const auto why = [&](const std::vector<std::size_t>& members) {
        const std::string& text = tensors[members.front()].why;
        return text.empty() ? "" : "left out of the other: " + printable(text);
    };
    return fmt::format("{}:\n", heading) + groups_text(tensors, form, kind_of, why);
}

/// "bf16 (48, 32)" on both sides, or what each has.
std::string forms_text(const DifferentTensor& t) {
    if (form(t.a) == form(t.b)) return form(t.a);
    if (t.a.shape == t.b.shape) return fmt::format("{} and {} {}", t.a.type, t.b.type, to_string(t.a.shape));
    return fmt::format("{} and {}", form(t.a), form(t.b));
}

/// How much of the values of a group differs, in words.
std::string amount_text(const std::vector<DifferentTensor>& all, const std::vector<std::size_t>& members) {
    ValueDifference sum;
    std::uint64_t count = 0;
    for (const std::size_t i : members) {
        if (!all[i].difference) return all[i].a.shape == all[i].b.shape ? "not comparable" : "";
        sum.add(all[i].difference->values);
        count += all[i].a.shape.numel();
    }
    if (sum.differing == 0) return "the same values";
    const DifferentTensor& one = all[members.front()];
    if (one.is_bytes) return fmt::format("{} of blocks differ", count_of(sum.differing, "byte"));
    std::string text = fmt::format("{} of {} differ", grouped(sum.differing), count_of(count, "value"));
    if (sum.differing != sum.nans) text += fmt::format(", by {:.6g} at most", sum.largest);
    if (sum.nans != 0) text += fmt::format(", {} NaN on one side only", grouped(sum.nans));
    if (members.size() > 1) return text;
    return text + fmt::format("; first at element {}: {}", grouped(sum.first), one.difference->first_values);
}

bool has_same_values(const DifferentTensor& t) {
    return t.difference && t.difference->values.differing == 0;
}

std::string different_text(const std::vector<DifferentTensor>& tensors) {
    if (tensors.empty()) return "";
    const auto kind_of = [](const DifferentTensor& t) { return forms_text(t) + (has_same_values(t) ? "=" : "#"); };
    const auto amount = [&](const std::vector<std::size_t>& members) { return amount_text(tensors, members); };
    return "different:\n" + groups_text(tensors, forms_text, kind_of, amount);
}

std::string side_text(std::string_view letter, const DiffReport::Side& side) {
    return fmt::format("{}  {}: {}, {} (reader {}, merger {})\n", letter, printable(side.path), side.format,
                       count_of(side.tensors, "tensor"), side.reader, side.merger);
}

std::string configuration_text(const ConfigurationDifference& c) {
    std::string text;
    for (const std::string& line : c.different) text += printable(line) + "\n";
    return text;
}

/// What can be said of the configuration after "every tensor is equal".
std::string configuration_summary(const ConfigurationDifference& c) {
    if (!c.not_compared.empty()) return fmt::format("only tensors were compared: {}", c.not_compared);
    return fmt::format("equal too: {}", printable(some_of(c.equal)));
}

std::string summary_text(const DiffReport& r) {
    const std::string rate = rate_text(r.bytes_compared, r.seconds);
    const std::string effort = fmt::format("compared {} in {}{}", size_text(r.bytes_compared), duration_text(r.seconds),
                                           rate.empty() ? "" : fmt::format(" ({})", rate));
    if (r.is_same()) {
        return fmt::format("the same: {}, every byte is equal; {}; {}\n", count_of(r.equal_tensors, "tensor"),
                           configuration_summary(r.configuration), effort);
    }
    std::string text = "different: " + count_of(r.equal_tensors, "tensor") + " equal";
    if (!r.different.empty()) text += fmt::format(", {} not", grouped(r.different.size()));
    const auto same_values = std::count_if(r.different.begin(), r.different.end(), has_same_values);
    if (same_values != 0) {
        text += fmt::format(" ({} of them the same values in another type)",
                            grouped(static_cast<std::uint64_t>(same_values)));
    }
    if (!r.only_in_a.empty()) text += fmt::format(", {} only in A", grouped(r.only_in_a.size()));
    if (!r.only_in_b.empty()) text += fmt::format(", {} only in B", grouped(r.only_in_b.size()));
    if (!r.configuration.different.empty()) {
        text += fmt::format("; {} of configuration and tokenizer",
                            count_of(r.configuration.different.size(), "difference"));
    }
    return text + "; " + effort + "\n";
}

nlohmann::ordered_json to_json(const DiffReport::Side& side) {
    return {{"path", side.path},     {"format", side.format},   {"reader", side.reader},
            {"merger", side.merger}, {"tensors", side.tensors}, {"dropped", to_json(side.dropped)}};
}

nlohmann::ordered_json to_json(const std::vector<DiffTensor>& tensors) {
    auto json = nlohmann::ordered_json::array();
    for (const DiffTensor& t : tensors) {
        json.push_back({{"name", t.name}, {"type", t.type}, {"shape", to_json(t.shape)}, {"why", t.why}});
    }
    return json;
}

nlohmann::ordered_json to_json(const DifferentTensor& t) {
    nlohmann::ordered_json json = {{"name", t.a.name}};
    json["a"] = {{"type", t.a.type}, {"shape", to_json(t.a.shape)}};
    json["b"] = {{"type", t.b.type}, {"shape", to_json(t.b.shape)}};
    json["compared"] = !t.difference ? "nothing" : t.is_bytes ? "bytes" : "values";
    if (!t.difference) return json;
    const ValueDifference& v = t.difference->values;
    json["differing"] = v.differing;
    if (t.is_bytes) return json;
    // JSON has no infinity.
    json["max_difference"] = std::isinf(v.largest) ? nlohmann::ordered_json("inf") : nlohmann::ordered_json(v.largest);
    json["nan_on_one_side"] = v.nans;
    if (v.differing != 0) json["first"] = {{"element", v.first}, {"values", t.difference->first_values}};
    return json;
}

}  // namespace

std::string to_text(const DiffReport& report) {
    return side_text("A", report.a) + side_text("B", report.b) + only_text("only in A", report.only_in_a) +
           only_text("only in B", report.only_in_b) + different_text(report.different) +
           configuration_text(report.configuration) + summary_text(report);
}

nlohmann::ordered_json to_json(const DiffReport& report) {
    auto different = nlohmann::ordered_json::array();
    for (const DifferentTensor& t : report.different) different.push_back(to_json(t));
    return {{"same", report.is_same()},
            {"a", to_json(report.a)},
            {"b", to_json(report.b)},
            {"equal", report.equal_tensors},
            {"different", different},
            {"only_in_a", to_json(report.only_in_a)},
            {"only_in_b", to_json(report.only_in_b)},
            {"configuration",
             {{"equal", report.configuration.equal},
              {"different", report.configuration.different},
              {"not_compared", report.configuration.not_compared}}},
            {"bytes_compared", report.bytes_compared},
            {"seconds", report.seconds}};
}

}  // namespace unshard
