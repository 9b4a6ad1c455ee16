// Reads configs/models/*.toml. A slip in such a file must not lead to wrong weights, so whatever can be checked without
// a config.json is checked here: keys, types, undefined names, parts that do not fit together.

#include "models/document.hpp"
#include "models/expression_names.hpp"
#include "models/rules.hpp"
#include "unshard/tools/contains.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace unshard {
namespace {

constexpr std::array kSplits = {
    std::pair{"replicated", Split::replicated}, std::pair{"column", Split::column},   std::pair{"row", Split::row},
    std::pair{"vocabulary", Split::vocabulary}, std::pair{"grouped", Split::grouped},
};

constexpr std::array<std::string_view, 11> kKeys = {"architectures", "mesh",         "config",  "define",
                                                    "prefixes",      "outside",      "buffers", "extra_layers",
                                                    "tensors",       "alternatives", "fused"};

class RulesReader {
public:
    ModelRules read(const Document& document) {
        rules_.file = document.file;
        const Node root(document);
        check_model_keys(document);
        rules_.architectures = root.texts("architectures");
        if (rules_.architectures.empty()) root.fail("'architectures' is missing");
        if (root.has("mesh")) rules_.mesh = root.text("mesh");
        rules_.outside = root.texts("outside");
        rules_.buffers = root.texts("buffers");
        for (const auto& [name, node] : root.entries("prefixes")) add_prefix(name, node.text());
        names_ = ExpressionNames(root);
        rules_.config = names_.config();
        if (root.has("extra_layers")) rules_.extra_layers = extra_layers(root.at("extra_layers"));
        for (const Node& table : root.tables("tensors")) add_tensor(table);
        for (const Node& table : root.tables("alternatives")) add_fused(table, true);
        for (const Node& table : root.tables("fused")) add_fused(table, false);
        return std::move(rules_);
    }

private:
    void add_prefix(const std::string& name, const std::string& meaning) {
        rules_.prefixes.emplace_back(name, meaning);
        rules_.is_bare = rules_.is_bare || name.empty();
    }

    void check_count(const Node& table, const std::string& placeholder) const {
        if (names_.has_number(placeholder + "s")) return;
        table.fail(fmt::format("'{{{0}}}' needs '{0}s' in 'config' to count to", placeholder));
    }

    NamePattern extra_layers(const Node& node) const {
        const NamePattern pattern = node.placed([&] { return NamePattern(node.text()); });
        if (pattern.placeholders().size() != 1 || !pattern.text().ends_with("}.")) {
            node.fail("it must have one placeholder and end behind it with a dot");
        }
        check_count(node, pattern.placeholders().front());
        return pattern;
    }

    NamePattern name_pattern(const Node& table) const {
        const std::string text = table.text("name");
        const NamePattern name = table.placed([&] { return NamePattern(text); });
        for (const std::string& placeholder : name.placeholders()) check_count(table, placeholder);
        const auto is_same = [&](const auto& rule) { return rule.name.text() == name.text(); };
        if (std::any_of(rules_.tensors.begin(), rules_.tensors.end(), is_same) ||
            std::any_of(rules_.fused.begin(), rules_.fused.end(), is_same)) {
            table.fail(fmt::format("'{}' is described twice", name.text()));
        }
        return name;
    }

    void add_tensor(const Node& table) {
        table.check_keys({"name", "shape", "split", "unit", "when", "optional"});
        TensorRule rule{name_pattern(table), {}, split(table), {}, {}, {}};
        const auto optional_expression = [&](std::string_view key) -> std::optional<Expression> {
            if (!table.has(key)) return std::nullopt;
            return names_.expression(table.at(key), rule.name.placeholders());
        };
        rule.shape = shape(table, rule.name.placeholders());
        rule.unit = optional_expression("unit");
        rule.when = optional_expression("when");
        rule.optional = optional_expression("optional");
        check_split(table, rule);
        rules_.tensors.push_back(std::move(rule));
    }

    static Split split(const Node& table) {
        const std::string name = table.text("split");
        for (const auto& [known, value] : kSplits) {
            if (name == known) return value;
        }
        table.at("split").fail(
            fmt::format("split '{}' is unknown: known are replicated, column, row, vocabulary, grouped", name));
    }

    std::vector<std::vector<Expression>> shape(const Node& table, const std::vector<std::string>& placeholders) const {
        const std::string what = "'shape' must be an array, one item a dimension";
        if (!table.has("shape")) table.fail(what);
        const Node shape = table.at("shape");
        if (!shape.value().is_array()) shape.fail(what);
        std::vector<std::vector<Expression>> result;
        for (const Node& dim : shape.items()) {
            std::vector<Expression>& sections = result.emplace_back();
            if (dim.value().is_array()) {
                for (const Node& item : dim.items()) sections.push_back(names_.expression(item, placeholders));
            } else {
                sections.push_back(names_.expression(dim, placeholders));
            }
            if (sections.empty()) dim.fail("a dimension in sections has at least one");
            if (sections.size() > 1 && result.size() > 1) dim.fail("only the first dimension can be in sections");
        }
        return result;
    }

    static void check_split(const Node& table, const TensorRule& rule) {
        std::size_t needed = rule.split == Split::replicated ? 0 : 1;
        if (rule.split == Split::row) needed = 2;
        if (rule.shape.size() < needed) {
            table.fail(fmt::format("split '{}' needs {} dimensions", to_string(rule.split), needed));
        }
        if (rule.split == Split::grouped && !rule.unit) table.fail("split 'grouped' needs 'unit'");
        if (rule.split == Split::vocabulary && rule.shape.front().size() > 1) {
            table.fail("a vocabulary cannot be in sections");
        }
    }

    void add_fused(const Node& table, bool is_alternative) {
        table.check_keys({"name", "parts", "layout"});
        FusedRule rule{name_pattern(table), {}, is_alternative, false, false};
        if (table.has("layout")) {
            if (table.text("layout") != "grouped") table.at("layout").fail("the only layout to name is 'grouped'");
            rule.is_grouped = true;
        }
        for (const std::string& part : table.texts("parts")) rule.parts.push_back(tensor_named(table, part));
        if (rule.parts.empty()) table.fail("'parts' is missing");
        const auto& first = rules_.tensors[rule.parts.front()].name.placeholders();
        rule.is_stacked = is_alternative && contains(first, "expert") && !contains(rule.name.placeholders(), "expert");
        for (const std::size_t part : rule.parts) check_part(table, rule, rules_.tensors[part]);
        rules_.fused.push_back(std::move(rule));
    }

    std::size_t tensor_named(const Node& table, const std::string& name) const {
        const auto found = std::find_if(rules_.tensors.begin(), rules_.tensors.end(),
                                        [&](const TensorRule& t) { return t.name.text() == name; });
        if (found == rules_.tensors.end()) table.fail(fmt::format("no tensor above is called '{}'", name));
        return static_cast<std::size_t>(found - rules_.tensors.begin());
    }

    void check_part(const Node& table, const FusedRule& rule, const TensorRule& part) const {
        std::vector<std::string> due = rule.name.placeholders();
        if (rule.is_stacked) due.emplace_back("expert");
        std::vector<std::string> found = part.name.placeholders();
        std::sort(due.begin(), due.end());
        std::sort(found.begin(), found.end());
        if (found != due)
            table.fail(fmt::format("'{}' and '{}' count different things", part.name.text(), rule.name.text()));
        const bool can_stand_behind = part.split == Split::column || part.split == Split::replicated;
        const bool has_sections = !part.shape.empty() && part.shape.front().size() > 1;
        if (part.split != rules_.tensors[rule.parts.front()].split || part.shape.empty() ||
            (rule.parts.size() > 1 && (!can_stand_behind || has_sections))) {
            table.fail(fmt::format("'{}' cannot be fused: parts are all column or all replicated, in one section",
                                   part.name.text()));
        }
        if (rule.is_grouped && (!part.unit || part.split != Split::column)) {
            table.fail(
                fmt::format("layout 'grouped': '{}' must be split by column and have a 'unit'", part.name.text()));
        }
    }

    ModelRules rules_;
    ExpressionNames names_;
};

}  // namespace

std::string to_string(Split split) {
    return std::find_if(kSplits.begin(), kSplits.end(), [&](const auto& s) { return s.second == split; })->first;
}

bool is_model_key(std::string_view key) {
    return std::find(kKeys.begin(), kKeys.end(), key) != kKeys.end();
}

void check_model_keys(const Document& document) {
    Node(document).check_keys(kKeys, OtherTables::allowed);
}

ModelRules rules_of(const Document& document) {
    return RulesReader().read(document);
}

ModelRules load_rules(const std::string& file) {
    return rules_of(read_document(file));
}

}  // namespace unshard
