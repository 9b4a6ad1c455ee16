// Reads configs/models/*.toml. A slip in such a file must not scramble a model in silence, so whatever can be checked
// without a config.json is checked here: keys, types, names that nothing defines, parts that do not fit together.

#include "models/rules.hpp"
#include "models/toml_file.hpp"
#include "unshard/tools/error.hpp"

#include <algorithm>
#include <array>

namespace unshard {
namespace {

constexpr std::array kSplits = {
    std::pair{"replicated", Split::replicated}, std::pair{"column", Split::column},   std::pair{"row", Split::row},
    std::pair{"vocabulary", Split::vocabulary}, std::pair{"grouped", Split::grouped},
};

/// "model." of "model.layers.0".
std::string first_part(const std::string& name) {
    return name.substr(0, name.find('.') + 1);
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

class RulesFile {
public:
    explicit RulesFile(const std::string& file) : file_(file) { rules_.file = file; }

    ModelRules read() {
        const toml::table& root = file_.root();
        file_.check_keys(root, {"architectures", "mesh", "config", "define", "prefixes", "outside", "buffers",
                                "extra_layers", "tensors", "alternatives", "fused", "gguf"});
        rules_.architectures = file_.texts(root, "architectures");
        if (rules_.architectures.empty()) file_.fail(root, "'architectures' is missing");
        if (root.contains("mesh")) rules_.mesh = file_.text(root, "mesh");
        rules_.outside = file_.texts(root, "outside");
        rules_.buffers = file_.texts(root, "buffers");
        for (const auto& [name, node] : file_.entries("prefixes"))
            rules_.prefixes.emplace_back(name, file_.text(*node));
        for (const auto& [name, node] : file_.entries("config")) rules_.config.push_back(config_name(name, *node));
        if (root.contains("extra_layers")) rules_.extra_layers = extra_layers(root);
        for (const auto& [name, node] : file_.entries("define")) defined_.emplace_back(name, parsed_expression(*node));
        for (const toml::table* table : file_.tables("tensors")) add_tensor(*table);
        for (const toml::table* table : file_.tables("alternatives")) add_fused(*table, true);
        for (const toml::table* table : file_.tables("fused")) add_fused(*table, false);
        return std::move(rules_);
    }

    bool describes_model() const {
        const toml::table& root = file_.root();
        return root.contains("architectures") || root.contains("config") || root.contains("tensors");
    }

    /// This file is one of heads.
    std::optional<ModelRules> with_head(std::span<const ModelRules> all, const std::string& architecture) {
        file_.check_keys(file_.root(), {"config", "head"});
        for (const toml::table* head : file_.tables("head")) {
            file_.check_keys(*head, {"suffix", "only", "backbone", "tensors"});
            const std::string suffix = file_.text(*head, "suffix");
            if (!architecture.ends_with(suffix)) continue;
            const std::string stem = architecture.substr(0, architecture.size() - suffix.size());
            const std::vector<std::string> only = file_.texts(*head, "only");
            const ModelRules* causal = only.empty() || contains(only, stem) ? causal_model(all, stem) : nullptr;
            if (causal && !causal->tensors.empty()) return replace_head(*causal, *head);
        }
        return std::nullopt;
    }

private:
    static const ModelRules* causal_model(std::span<const ModelRules> all, const std::string& stem) {
        const auto is_causal = [&](const ModelRules& rules) {
            return contains(rules.architectures, stem + "ForCausalLM") ||
                   contains(rules.architectures, stem + "LMHeadModel");
        };
        const auto found = std::find_if(all.begin(), all.end(), is_causal);
        return found == all.end() ? nullptr : &*found;
    }

    ModelRules replace_head(const ModelRules& causal, const toml::table& head) {
        rules_ = causal;
        const std::string backbone = first_part(rules_.tensors.front().name.text());
        for (TensorRule& rule : rules_.tensors) {
            if (rule.name.text().starts_with("lm_head.")) rule.when = Expression("0");
        }
        for (const auto& [name, node] : file_.entries("config")) rules_.config.push_back(config_name(name, *node));
        for (const toml::table* table : file_.tables(head, "tensors")) add_tensor(*table);
        if (head.contains("backbone")) {
            rules_.prefixes.emplace_back(file_.text(head, "backbone"), backbone);
            rules_.is_bare = rules_.prefixes.back().first.empty();
        }
        return std::move(rules_);
    }

    /// true and false are 1 and 0; names of `define` stand for what they are.
    Expression parsed_expression(const toml::node& node) const {
        std::string source;
        if (const auto* value = node.as_string()) source = value->get();
        if (const auto* value = node.as_integer()) source = std::to_string(value->get());
        if (const auto* value = node.as_boolean()) source = value->get() ? "1" : "0";
        if (source.empty()) file_.fail(node, "an expression must be a string, a number, true or false");
        return file_.placed(node, [&] {
            Expression result(source);
            for (const auto& [name, meaning] : defined_) result.inline_name(name, meaning);
            return result;
        });
    }

    /// An expression that uses names of `config` and these placeholders.
    Expression expression(const toml::node& node, const std::vector<std::string>& placeholders) const {
        const Expression result = parsed_expression(node);
        for (const std::string& name : result.numbers()) {
            if (!contains(placeholders, name) && !is_config_name(name, false)) unknown_name(node, name);
        }
        for (const std::string& name : result.lists()) {
            if (!is_config_name(name, true)) unknown_name(node, name);
        }
        return result;
    }

    [[noreturn]] void unknown_name(const toml::node& node, const std::string& name) const {
        file_.fail(node, "'" + name + "' is not defined above: write config." + name + " = the field of config.json");
    }

    bool is_config_name(const std::string& name, bool is_list) const {
        return std::any_of(rules_.config.begin(), rules_.config.end(),
                           [&](const ConfigName& c) { return c.name == name && c.is_list == is_list; });
    }

    ConfigName config_name(const std::string& name, const toml::node& node) const {
        if (node.is_string()) return {name, {node.as_string()->get()}, std::nullopt, false, {}};
        if (!node.is_table())
            file_.fail(node, "'" + name + "' must be a field's name or { field = ..., default = ... }");
        const toml::table& table = *node.as_table();
        file_.check_keys(table, {"field", "default", "count"});
        ConfigName result{name, file_.texts(table, "field"), std::nullopt, false, {}};
        if (table.contains("count")) result.counted = file_.text(table, "count");
        if (result.fields.empty()) file_.fail(node, "'field' is missing");
        const toml::node* fallback = table.get("default");
        if (!fallback) return result;
        if (const toml::array* list = fallback->as_array()) {
            if (!list->empty()) file_.fail(*fallback, "a list can only be empty by default");
            result.is_list = true;
        } else {
            result.fallback = expression(*fallback, {});
        }
        return result;
    }

    void check_count(const toml::node& table, const std::string& placeholder) const {
        if (is_config_name(placeholder + "s", false)) return;
        file_.fail(table, "'{" + placeholder + "}' needs '" + placeholder + "s' in 'config' to count to");
    }

    NamePattern extra_layers(const toml::table& root) const {
        const toml::node& node = *root.get("extra_layers");
        const NamePattern pattern = file_.placed(node, [&] { return NamePattern(file_.text(node)); });
        if (pattern.placeholders().size() != 1 || !pattern.text().ends_with("}.")) {
            file_.fail(node, "it must have one placeholder and end behind it with a dot");
        }
        check_count(node, pattern.placeholders().front());
        return pattern;
    }

    NamePattern name_pattern(const toml::table& table) const {
        const std::string text = file_.text(table, "name");
        const NamePattern name = file_.placed(table, [&] { return NamePattern(text); });
        for (const std::string& placeholder : name.placeholders()) check_count(table, placeholder);
        const auto is_same = [&](const auto& rule) { return rule.name.text() == name.text(); };
        if (std::any_of(rules_.tensors.begin(), rules_.tensors.end(), is_same) ||
            std::any_of(rules_.fused.begin(), rules_.fused.end(), is_same)) {
            file_.fail(table, "'" + name.text() + "' is described twice");
        }
        return name;
    }

    void add_tensor(const toml::table& table) {
        file_.check_keys(table, {"name", "shape", "split", "unit", "when", "optional"});
        TensorRule rule{name_pattern(table), {}, split(table), {}, {}, {}};
        const auto optional_expression = [&](std::string_view key) -> std::optional<Expression> {
            const toml::node* node = table.get(key);
            if (!node) return std::nullopt;
            return expression(*node, rule.name.placeholders());
        };
        rule.shape = shape(table, rule.name.placeholders());
        rule.unit = optional_expression("unit");
        rule.when = optional_expression("when");
        rule.optional = optional_expression("optional");
        check_split(table, rule);
        rules_.tensors.push_back(std::move(rule));
    }

    Split split(const toml::table& table) const {
        const std::string name = file_.text(table, "split");
        for (const auto& [known, value] : kSplits) {
            if (name == known) return value;
        }
        file_.fail(*table.get("split"),
                   "split '" + name + "' is unknown: known are replicated, column, row, vocabulary, grouped");
    }

    std::vector<std::vector<Expression>> shape(const toml::table& table,
                                               const std::vector<std::string>& placeholders) const {
        const toml::node* node = table.get("shape");
        if (!node || !node->is_array())
            file_.fail(node ? *node : table, "'shape' must be an array, one item a dimension");
        std::vector<std::vector<Expression>> result;
        for (const toml::node& dim : *node->as_array()) {
            std::vector<Expression>& sections = result.emplace_back();
            if (const toml::array* list = dim.as_array()) {
                for (const toml::node& item : *list) sections.push_back(expression(item, placeholders));
            } else {
                sections.push_back(expression(dim, placeholders));
            }
            if (sections.empty()) file_.fail(dim, "a dimension in sections has at least one");
            if (sections.size() > 1 && result.size() > 1)
                file_.fail(dim, "only the first dimension can be in sections");
        }
        return result;
    }

    void check_split(const toml::table& table, const TensorRule& rule) const {
        std::size_t needed = rule.split == Split::replicated ? 0 : 1;
        if (rule.split == Split::row) needed = 2;
        if (rule.shape.size() < needed) {
            file_.fail(table, "split '" + to_string(rule.split) + "' needs " + std::to_string(needed) + " dimensions");
        }
        if (rule.split == Split::grouped && !rule.unit) file_.fail(table, "split 'grouped' needs 'unit'");
        if (rule.split == Split::vocabulary && rule.shape.front().size() > 1) {
            file_.fail(table, "a vocabulary cannot be in sections");
        }
    }

    void add_fused(const toml::table& table, bool is_alternative) {
        file_.check_keys(table, {"name", "parts", "layout"});
        FusedRule rule{name_pattern(table), {}, is_alternative, false, false};
        if (table.contains("layout")) {
            if (file_.text(table, "layout") != "grouped")
                file_.fail(*table.get("layout"), "the only layout to name is 'grouped'");
            rule.is_grouped = true;
        }
        for (const std::string& part : file_.texts(table, "parts")) rule.parts.push_back(tensor_named(table, part));
        if (rule.parts.empty()) file_.fail(table, "'parts' is missing");
        const auto& first = rules_.tensors[rule.parts.front()].name.placeholders();
        rule.is_stacked = is_alternative && contains(first, "expert") && !contains(rule.name.placeholders(), "expert");
        for (const std::size_t part : rule.parts) check_part(table, rule, rules_.tensors[part]);
        rules_.fused.push_back(std::move(rule));
    }

    std::size_t tensor_named(const toml::table& table, const std::string& name) const {
        const auto found = std::find_if(rules_.tensors.begin(), rules_.tensors.end(),
                                        [&](const TensorRule& t) { return t.name.text() == name; });
        if (found == rules_.tensors.end()) file_.fail(table, "no tensor above is called '" + name + "'");
        return static_cast<std::size_t>(found - rules_.tensors.begin());
    }

    void check_part(const toml::table& table, const FusedRule& rule, const TensorRule& part) const {
        std::vector<std::string> due = rule.name.placeholders();
        if (rule.is_stacked) due.emplace_back("expert");
        std::vector<std::string> found = part.name.placeholders();
        std::sort(due.begin(), due.end());
        std::sort(found.begin(), found.end());
        if (found != due)
            file_.fail(table, "'" + part.name.text() + "' and '" + rule.name.text() + "' count different things");
        const bool can_stand_behind = part.split == Split::column || part.split == Split::replicated;
        const bool has_sections = !part.shape.empty() && part.shape.front().size() > 1;
        if (part.split != rules_.tensors[rule.parts.front()].split || part.shape.empty() ||
            (rule.parts.size() > 1 && (!can_stand_behind || has_sections))) {
            file_.fail(table, "'" + part.name.text() +
                                  "' cannot be fused: parts are all column or all replicated, in one section");
        }
        if (rule.is_grouped && (!part.unit || part.split != Split::column)) {
            file_.fail(table, "layout 'grouped': '" + part.name.text() + "' must be split by column and have a 'unit'");
        }
    }

    TomlFile file_;
    ModelRules rules_;
    std::vector<std::pair<std::string, Expression>> defined_;  ///< under `define`
};

}  // namespace

std::string to_string(Split split) {
    return std::find_if(kSplits.begin(), kSplits.end(), [&](const auto& s) { return s.second == split; })->first;
}

ModelRules load_rules(const std::string& file) {
    return RulesFile(file).read();
}

std::optional<ModelRules> load_rules_if_any(const std::string& file) {
    RulesFile rules(file);
    return rules.describes_model() ? std::optional(rules.read()) : std::nullopt;
}

std::optional<ModelRules> rules_with_head(std::span<const ModelRules> all, const std::string& heads_file,
                                          const std::string& architecture) {
    return RulesFile(heads_file).with_head(all, architecture);
}

}  // namespace unshard
