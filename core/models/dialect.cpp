#include "models/dialect.hpp"

#include "unshard/tools/contains.hpp"
#include "unshard/tools/error.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace unshard {
namespace {

/// What a rule's expressions may use beside its placeholders.
constexpr std::array<std::string_view, 2> kShapeNames = {"rows", "columns"};

std::string_view without_any(std::string_view text) {
    if (text.starts_with('*')) text.remove_prefix(1);
    if (text.ends_with('*')) text.remove_suffix(1);
    return text;
}

/// "a[b]c": "ac" and "abc".
std::vector<std::string> spelled_out(const std::string& text) {
    const std::size_t open = text.find('['), close = text.find(']');
    if (open == std::string::npos && close == std::string::npos) return {text};
    if (open == std::string::npos || close == std::string::npos || close < open) {
        throw UsageError(fmt::format("name '{}': a bracket has no partner", text));
    }
    const std::string head = text.substr(0, open), part = text.substr(open + 1, close - open - 1);
    std::vector<std::string> result;
    for (const std::string& rest : spelled_out(text.substr(close + 1))) {
        result.push_back(head + part + rest);
        result.push_back(head + rest);
    }
    return result;
}

class DialectReader {
public:
    Dialect read(const Document& document) {
        const Node root(document);
        root.check_keys({"title", "config", "define", "models"});
        dialect_.file = document.file;
        dialect_.title = root.text("title");
        dialect_.names = ExpressionNames(root);
        for (const Node& table : root.tables("models")) dialect_.models.push_back(models(table));
        if (dialect_.models.empty()) root.fail("'models' is missing");
        return std::move(dialect_);
    }

private:
    static DialectName name(const Node& node) {
        return node.placed([&] { return DialectName(node.text()); });
    }

    DialectModels models(const Node& table) const {
        table.check_keys({"classes", "has", "tensors", "drop", "rename", "others", "pads_vocabulary", "like"});
        DialectModels result;
        result.classes = table.texts("classes");
        if (table.has("has")) {
            for (const Node& item : table.at("has").items()) result.has.push_back(name(item));
        }
        for (const Node& rule : table.tables("drop")) result.rules.push_back(drop_rule(rule));
        for (const Node& rule : table.tables("tensors")) result.rules.push_back(tensor_rule(rule));
        if (table.has("like")) {
            const DialectModels* models = dialect_.find(table.text("like"));
            if (!models) table.at("like").fail("no models above are of that class");
            result.rules.insert(result.rules.end(), models->rules.begin(), models->rules.end());
        }
        if (table.has("rename")) {
            for (const Node& pair : table.at("rename").items()) {
                const std::vector<Node> both = pair.items();
                if (both.size() != 2) pair.fail("a rename is [\"how a name begins\", \"how it begins then\"]");
                result.renames.emplace_back(both[0].text(), both[1].text());
            }
        }
        if (table.has("others")) {
            if (table.text("others") != "keep") table.at("others").fail("'others' can only be \"keep\"");
            result.keeps_others = true;
        }
        result.pads_vocabulary = table.flag("pads_vocabulary");
        return result;
    }

    static DialectSource source(const Node& node) {
        return node.placed([&] {
            DialectSource names;
            for (const std::string& text : spelled_out(node.text())) names.emplace_back(text);
            return names;
        });
    }

    static std::vector<DialectSource> sources(const Node& node) {
        if (!node.value().is_array()) return {source(node)};
        std::vector<DialectSource> sources;
        for (const Node& item : node.items()) sources.push_back(source(item));
        if (sources.empty()) node.fail("a rule is for at least one name");
        return sources;
    }

    static DialectRule drop_rule(const Node& table) {
        table.check_keys({"name", "why"});
        DialectRule rule;
        rule.sources.push_back(source(table.at("name")));
        rule.why = table.text("why");
        return rule;
    }

    DialectRule tensor_rule(const Node& table) const {
        table.check_keys({"name", "to", "numbers", "only", "along"});
        DialectRule rule;
        rule.sources = sources(table.at("name"));
        const std::vector<std::string>& placeholders = placeholders_of(rule);
        for (const auto& [number, node] : table.entries("numbers")) {
            rule.numbers.emplace_back(number, dialect_.names.expression(node, placeholders));
        }
        if (table.has("only")) {
            for (const Node& size : table.at("only").items()) {
                rule.only.push_back(dialect_.names.expression(size, placeholders));
            }
        }
        const Node to = table.at("to");
        const std::vector<Node> targets = to.value().is_array() ? to.items() : std::vector<Node>{to};
        if (targets.empty()) to.fail("it must have a target: what is left out stands under 'drop'");
        for (const Node& node : targets) rule.to.push_back(target(node, placeholders));
        const auto is_plain = [](const DialectTarget& target) { return target.part.is_whole(); };
        if (std::ranges::all_of(rule.to, is_plain)) {
            for (std::size_t i = 0; i < rule.to.size(); ++i) {
                rule.to[i].row_part = i;
                rule.to[i].row_parts = rule.to.size();
            }
        } else if (std::ranges::any_of(rule.to, is_plain)) {
            to.fail("all of several targets, or none, say what they take");
        }
        check_targets(to, rule);
        rule.stacked = stacked_placeholders(rule);
        if (table.has("along")) {
            if (rule.sources.size() == 1) table.at("along").fail("'along' is for several names");
            rule.along = table.at("along").count(0, UINT32_MAX);
        }
        if (rule.gathers()) check_gathered(table, rule);
        return rule;
    }

    /// The longest form of a name has all its placeholders.
    static const std::vector<std::string>& placeholders_of(const DialectRule& rule) {
        return rule.sources.front().front().placeholders();
    }

    static std::vector<std::string> stacked_placeholders(const DialectRule& rule) {
        std::vector<std::string> stacked;
        if (!rule.numbers.empty()) return stacked;  // they may be used there
        const std::vector<std::string>& kept = rule.to.front().names.front().placeholders();
        for (const std::string& placeholder : placeholders_of(rule)) {
            if (!contains(kept, placeholder)) stacked.push_back(placeholder);
        }
        return stacked;
    }

    static void check_gathered(const Node& table, const DialectRule& rule) {
        if (rule.to.size() != 1) table.fail("several tensors become one tensor: 'to' must be one name");
        if (!rule.only.empty()) table.fail("'only' is for rules of one tensor");
        for (const DialectSource& source : rule.sources) {
            if (source.size() != 1) table.fail("a name of several that become one tensor has no [ ]");
            if (source.front().placeholders() != placeholders_of(rule)) {
                table.fail(fmt::format("'{}' and '{}' have other placeholders", rule.sources.front().front().text(),
                                       source.front().text()));
            }
        }
        for (const std::string& placeholder : rule.to.front().names.front().placeholders()) {
            if (contains(placeholders_of(rule), placeholder)) continue;
            table.fail(fmt::format("'{{{}}}' of the target is in no name", placeholder));
        }
    }

    DialectTarget target(const Node& node, const std::vector<std::string>& placeholders) const {
        DialectTarget target;
        const bool is_table = node.value().is_object();
        if (is_table) node.check_keys({"name", "permute", "transpose", "view", "take", "axes", "shape"});
        const Node name_node = is_table ? node.at("name") : node;
        target.names = target_names(name_node);
        if (!is_table) return target;
        target.part = tensor_view_of(node, [&](const Node& value) {
            std::vector<std::string> known = placeholders;
            known.insert(known.end(), kShapeNames.begin(), kShapeNames.end());
            return dialect_.names.expression(value, known);
        });
        return target;
    }

    static std::vector<DialectName> target_names(const Node& node) {
        return node.placed([&] {
            std::vector<DialectName> names;
            std::string_view rest = node.value().get_ref<const std::string&>();
            while (true) {
                const std::size_t bar = rest.find(" | ");
                names.emplace_back(rest.substr(0, bar));
                if (bar == std::string_view::npos) return names;
                rest.remove_prefix(bar + 3);
            }
        });
    }

    /// Targets have the same placeholders in the same order, which say what the first axes count, and * only where the
    /// rule's name has it.
    static void check_targets(const Node& node, const DialectRule& rule) {
        const DialectName& source = rule.sources.front().front();
        const DialectName& first = rule.to.front().names.front();
        for (const DialectTarget& target : rule.to) {
            for (const DialectName& name : target.names) {
                if (name.placeholders() != first.placeholders()) {
                    node.fail(fmt::format("'{}' and '{}' have other placeholders", first.text(), name.text()));
                }
                if (name.has_any() && !source.has_any()) {
                    node.fail(fmt::format("'{}' has a *, '{}' has none", name.text(), source.text()));
                }
            }
        }
    }

    Dialect dialect_;
};

}  // namespace

DialectName::DialectName(std::string_view text) : text_(text), pattern_(without_any(text)) {
    const bool front = text.starts_with('*'), back = text.ends_with('*');
    if (front && back) throw UsageError(fmt::format("name '{}': * can stand at one end only", text));
    if (pattern_.text().find('*') != std::string::npos) {
        throw UsageError(fmt::format("name '{}': * stands at an end of a name", text));
    }
    any_ = front ? Any::front : back ? Any::back : Any::none;
}

std::optional<DialectName::Match> DialectName::match(std::string_view name) const {
    if (any_ == Any::back) {
        std::string_view rest = name;
        const std::optional<Placeholders> at = pattern_.match_front(rest);
        if (!at) return std::nullopt;
        return Match{*at, std::string(rest)};
    }
    const std::size_t last = any_ == Any::front ? name.size() : 0;
    for (std::size_t skipped = 0; skipped <= last; ++skipped) {
        if (const auto at = pattern_.match(name.substr(skipped)))
            return Match{*at, std::string(name.substr(0, skipped))};
    }
    return std::nullopt;
}

std::string DialectName::fill(const Match& match) const {
    const std::string name = pattern_.fill(match.at);
    return any_ == Any::front ? match.any + name : any_ == Any::back ? name + match.any : name;
}

const DialectModels* Dialect::find(const std::string& architecture) const {
    const auto fits = [&](const DialectModels& m) { return m.classes.empty() || contains(m.classes, architecture); };
    const auto found = std::ranges::find_if(models, fits);
    return found == models.end() ? nullptr : &*found;
}

Dialect read_dialect(const std::string& file) {
    return DialectReader().read(read_document(file));
}

}  // namespace unshard
