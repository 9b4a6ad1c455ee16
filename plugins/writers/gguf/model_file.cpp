// Reads the `gguf` table. What can be checked without a config.json is checked here, so that a slip in such a file is
// found when it is read, not when a model needs the line.

#include "model_file.hpp"

#include "own_data.hpp"
#include "unshard/tools/contains.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace unshard::gguf {
namespace {

using nlohmann::json;

template <class Value>
using Names = std::initializer_list<std::pair<std::string_view, Value>>;

class GgufTable {
public:
    explicit GgufTable(const ModelRules* rules) : rules_(rules) {}

    GgufModel read_model(const Node& root) {
        root.check_keys({"arch", "common_keys", "keys", "omit", "generated", "notes", "refuse", "llama_cpp",
                         "tokenizer", "tensors"});
        GgufModel model;
        model.arch = root.text("arch");
        model.has_common_keys = root.flag("common_keys");
        model.omit = root.texts("omit");
        model.generated =
            one_of<Generated>(root, "generated", Generated::none,
                              {{"rope_freqs", Generated::rope_freqs}, {"rope_factors", Generated::rope_factors}});
        model.keys = read_keys(root);
        model.notes = read_remarks(root, "notes");
        model.refusals = read_remarks(root, "refuse");
        if (root.has("llama_cpp")) model.known = arch_tensors_of(root.table("llama_cpp"));
        if (root.has("tokenizer")) model.tokenizer = read_tokenizer(root.table("tokenizer"));
        if (model.tokenizer.sources.empty()) root.fail("tokenizer.kinds is missing");
        for (const auto& [name, node] : root.table("tensors").entries()) {
            check_tensor(node, name);
            model.tensors.emplace(name, read_targets(node));
        }
        return model;
    }

    std::vector<KeyRule> read_keys(const Node& in) const {
        std::vector<KeyRule> keys;
        if (!in.has("keys")) return keys;
        for (const Node& item : in.at("keys").items()) keys.push_back(read_key(item));
        return keys;
    }

private:
    template <class Value>
    Value one_of(const Node& in, std::string_view key, Value fallback, Names<Value> names) const {
        return in.has(key) ? one_of<Value>(in.at(key), names) : fallback;
    }

    template <class Value>
    Value one_of(const Node& node, Names<Value> names) const {
        const std::string name = node.text();
        std::string known;
        for (const auto& [text, value] : names) {
            if (text == name) return value;
            known += (known.empty() ? "" : ", ") + std::string(text);
        }
        node.fail(fmt::format("'{}' is unknown: known are {}", name, known));
    }

    bool is_tensor(const std::string& name) const {
        const auto& all = rules_->tensors;
        return std::any_of(all.begin(), all.end(), [&](const TensorRule& rule) {
            const std::string& text = rule.name.text();
            return text == name || text == name + ".weight" || text == name + ".bias";
        });
    }

    void check_tensor(const Node& node, const std::string& name) const {
        if (!is_tensor(name)) node.fail(fmt::format("no tensor is called '{}'", name));
    }

    /// An expression over names under `config` and placeholders.
    Expression expression(const Node& node) const {
        const bool is_number = node.value().is_number_integer();
        const Expression result =
            node.placed([&] { return Expression(is_number ? node.value().dump() : node.text()); });
        for (const std::vector<std::string>& names : {result.numbers(), result.lists()}) {
            for (const std::string& name : names) {
                if (!is_known_name(name))
                    node.fail(fmt::format("'{}' is neither under 'config' nor a placeholder", name));
            }
        }
        return result;
    }

    bool is_known_name(const std::string& name) const {
        if (!rules_) return true;
        const auto is_placeholder = [&](const TensorRule& rule) { return contains(rule.name.placeholders(), name); };
        return std::ranges::find(rules_->config, name, &ConfigName::name) != rules_->config.end() ||
               std::ranges::any_of(rules_->tensors, is_placeholder);
    }

    KeyRule read_key(const Node& in) const {
        in.check_keys({"key", "type", "fields", "value", "fraction", "scale", "words", "default", "required", "unless",
                       "yields", "skip"});
        KeyRule rule;
        rule.key = in.text("key");
        const Node type = in.at("type");
        rule.type = type.value().is_array() && type.value().size() == 1
                        ? one_of<KeyType>(type.items().front(), {{"i32", KeyType::i32s}, {"bool", KeyType::booleans}})
                        : one_of<KeyType>(type, {{"u32", KeyType::u32},
                                                 {"f32", KeyType::f32},
                                                 {"bool", KeyType::boolean},
                                                 {"string", KeyType::string}});
        rule.fields = in.texts("fields");
        if (in.has("value")) rule.value = expression(in.at("value"));
        rule.fraction = in.texts("fraction");
        rule.scale = in.number("scale", 1);
        if (in.has("words")) rule.words = in.table("words").value();
        if (in.has("default")) rule.fallback = in.at("default").value();
        rule.is_required = in.flag("required");
        if (in.has("unless")) rule.unless = in.at("unless").value();
        rule.yields = in.flag("yields");
        if (in.has("skip")) rule.skip = read_condition(in.table("skip"), {});
        if (rule.fields.empty() && !rule.value && rule.fallback.is_null()) in.fail("nothing says its value");
        return rule;
    }

    std::vector<Remark> read_remarks(const Node& in, std::string_view key) const {
        std::vector<Remark> remarks;
        if (!in.has(key)) return remarks;
        for (const Node& remark : in.at(key).items()) {
            remarks.push_back({{read_condition(remark, {"and", "text"})}, remark.text("text")});
            if (remark.has("and")) {
                remarks.back().conditions.push_back(read_condition(remark.table("and"), {}));
            }
        }
        return remarks;
    }

    Condition read_condition(const Node& in, std::initializer_list<std::string_view> others) const {
        static constexpr std::array<std::string_view, 8> kOfField = {"is",      "unless", "has",     "lacks",
                                                                     "repeats", "breaks", "differs", "below"};
        bool asks_field = false;
        for (const auto& [key, node] : in.entries()) {
            const bool is_of_field = contains(kOfField, key);
            asks_field = asks_field || is_of_field;
            if (is_of_field || key == "field" || key == "when") continue;
            if (!contains(others, key)) {
                node.fail(fmt::format("unknown key '{}' in a condition", key));
            }
        }
        const auto json_at = [&](std::string_view key) { return in.has(key) ? in.at(key).value() : json(); };
        Condition condition;
        if (in.has("field")) condition.field = in.text("field");
        condition.is = json_at("is");
        condition.unless = json_at("unless");
        condition.has = json_at("has");
        condition.lacks = json_at("lacks");
        condition.repeats = period(in, "repeats");
        condition.breaks = period(in, "breaks");
        if (in.has("differs")) condition.differs = expression(in.at("differs"));
        if (in.has("below")) condition.below = in.text("below");
        if (in.has("when")) condition.when = expression(in.at("when"));
        if (condition.field.empty() && (asks_field || !condition.when)) {
            in.fail("nothing says when it applies");
        }
        return condition;
    }

    static json period(const Node& in, std::string_view key) {
        if (!in.has(key)) return nullptr;
        if (in.at(key).items().empty()) in.at(key).fail("there is nothing to repeat");
        return in.at(key).value();
    }

    static std::map<std::string, json> read_ids(const Node& in) {
        std::map<std::string, json> ids;
        if (!in.has("ids")) return ids;
        for (const auto& [kind, id] : in.entries("ids")) {
            if (!id.value().is_number_integer() && !id.value().is_string())
                id.fail("an id is a number or the text of a token");
            ids.emplace(kind, id.value());
        }
        return ids;
    }

    TokenizerRules read_tokenizer(const Node& in) const {
        in.check_keys({"kinds", "added", "byte_level_class", "space_prefix", "ids", "by_vocabulary"});
        TokenizerRules rules;
        if (in.has("kinds")) {
            for (const Node& item : in.at("kinds").items()) {
                rules.sources.push_back(one_of<TokenizerSource>(
                    item, {{"sentencepiece", TokenizerSource::sentencepiece}, {"json", TokenizerSource::json}}));
            }
        }
        rules.added = one_of<AddedStyle>(in, "added", AddedStyle::common, {{"phi3", AddedStyle::phi3}});
        if (in.has("byte_level_class")) rules.byte_level_class = in.text("byte_level_class");
        if (in.has("space_prefix")) rules.space_prefix = in.at("space_prefix").value();
        rules.ids = read_ids(in);
        if (!in.has("by_vocabulary")) return rules;
        for (const Node& by : in.at("by_vocabulary").items()) {
            by.check_keys({"size", "ids", "add_bos"});
            rules.by_size.push_back({by.at("size").count(0, UINT32_MAX), read_ids(by), {}});
            if (by.has("add_bos")) rules.by_size.back().add_bos = by.flag("add_bos");
        }
        return rules;
    }

    static NamePattern name_pattern(const Node& node) {
        return node.placed([&] { return NamePattern(node.text()); });
    }

    std::vector<Target> read_targets(const Node& node) const {
        std::vector<Target> targets;
        if (node.value().is_array()) {
            for (const Node& item : node.items()) targets.push_back(read_target(item));
        } else {
            targets.push_back(read_target(node));
        }
        return targets;
    }

    Target read_target(const Node& in) const {
        if (in.value().is_string()) return {name_pattern(in), {}, 0};
        in.check_keys({"name", "permute", "transpose", "add", "view", "take", "axes", "shape"});
        return {name_pattern(in.at("name")), tensor_view_of(in, [this](const Node& node) { return expression(node); }),
                in.number("add", 0)};
    }

    const ModelRules* rules_;  ///< null for keys without tensors
};

}  // namespace

std::optional<GgufModel> gguf_model_of(const Document& file, const ModelRules& rules) {
    const Node root(file);
    return root.has("gguf") ? std::optional(GgufTable(&rules).read_model(root.table("gguf"))) : std::nullopt;
}

std::vector<KeyRule> common_keys() {
    const Document file = own_data("common-keys.toml");
    const Node root(file);
    root.check_keys({"keys"});
    return GgufTable(nullptr).read_keys(root);
}

}  // namespace unshard::gguf
