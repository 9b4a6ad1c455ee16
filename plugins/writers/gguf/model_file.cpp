// Reads the `gguf` table. What can be checked without a config.json is checked here, so that a slip in such a file is
// found when it is read, not when a model needs the line.

#include "model_file.hpp"

#include "models/toml_file.hpp"

#include <algorithm>
#include <array>
#include <sstream>

namespace unshard::gguf {
namespace {

using nlohmann::json;

template <class Value>
using Names = std::initializer_list<std::pair<std::string_view, Value>>;

/// A TOML value as JSON; by way of text, which toml++ can write.
json json_of(const toml::node& node) {
    std::ostringstream text;
    node.visit([&](const auto& value) {
        if constexpr (toml::is_table<decltype(value)> || toml::is_array<decltype(value)>) {
            text << toml::json_formatter(value);
        } else if constexpr (toml::is_string<decltype(value)>) {
            text << json(value.get()).dump();
        } else {
            text << toml::json_formatter(value);
        }
    });
    return json::parse(text.str());
}

class GgufFile {
public:
    GgufFile(const std::string& path, const ModelRules* rules) : file_(path), rules_(rules) {}

    bool has_model() const { return file_.root().contains("gguf"); }

    GgufModel read_model() {
        const toml::table& root = table(file_.root(), "gguf");
        file_.check_keys(
            root, {"arch", "common_keys", "keys", "omit", "generated", "notes", "refuse", "tokenizer", "tensors"});
        GgufModel model;
        model.arch = file_.text(root, "arch");
        model.has_common_keys = flag(root, "common_keys");
        model.omit = file_.texts(root, "omit");
        model.generated =
            one_of<Generated>(root, "generated", Generated::none,
                              {{"rope_freqs", Generated::rope_freqs}, {"rope_factors", Generated::rope_factors}});
        model.keys = read_keys(root);
        model.notes = read_remarks(root, "notes");
        model.refusals = read_remarks(root, "refuse");
        if (root.contains("tokenizer")) model.tokenizer = read_tokenizer(table(root, "tokenizer"));
        if (model.tokenizer.sources.empty()) file_.fail(root, "tokenizer.kinds is missing");
        for (const auto& [name, node] : table(root, "tensors")) {
            check_tensor(node, std::string(name.str()));
            model.tensors.emplace(name.str(), read_targets(node));
        }
        return model;
    }

    std::vector<KeyRule> read_common_keys() {
        file_.check_keys(file_.root(), {"keys"});
        return read_keys(file_.root());
    }

private:
    const toml::table& table(const toml::table& in, std::string_view key) const {
        const toml::node* node = in.get(key);
        if (!node || !node->is_table()) file_.fail(node ? *node : in, "'" + std::string(key) + "' must be a table");
        return *node->as_table();
    }

    const toml::table& as_table(const toml::node& node) const {
        if (!node.is_table()) file_.fail(node, "it must be a table");
        return *node.as_table();
    }

    const toml::array& as_array(const toml::node& node) const {
        if (!node.is_array()) file_.fail(node, "it must be an array");
        return *node.as_array();
    }

    bool flag(const toml::table& in, std::string_view key) const {
        const toml::node* node = in.get(key);
        if (!node) return false;
        if (!node->is_boolean()) file_.fail(*node, "'" + std::string(key) + "' must be true or false");
        return node->as_boolean()->get();
    }

    double number(const toml::table& in, std::string_view key, double fallback) const {
        const toml::node* node = in.get(key);
        if (!node) return fallback;
        if (!node->is_number()) file_.fail(*node, "'" + std::string(key) + "' must be a number");
        return *node->value<double>();
    }

    std::uint64_t count(const toml::node& node) const {
        const auto value = node.value_exact<std::int64_t>();
        if (!value || *value < 0) file_.fail(node, "it must be a whole number");
        return static_cast<std::uint64_t>(*value);
    }

    template <class Value>
    Value one_of(const toml::table& in, std::string_view key, Value fallback, Names<Value> names) const {
        return in.contains(key) ? one_of<Value>(*in.get(key), names) : fallback;
    }

    template <class Value>
    Value one_of(const toml::node& node, Names<Value> names) const {
        const std::string name = file_.text(node);
        std::string known;
        for (const auto& [text, value] : names) {
            if (text == name) return value;
            known += (known.empty() ? "" : ", ") + std::string(text);
        }
        file_.fail(node, "'" + name + "' is unknown: known are " + known);
    }

    bool is_tensor(const std::string& name) const {
        const auto& all = rules_->tensors;
        return std::any_of(all.begin(), all.end(), [&](const TensorRule& rule) {
            const std::string& text = rule.name.text();
            return text == name || text == name + ".weight" || text == name + ".bias";
        });
    }

    void check_tensor(const toml::node& node, const std::string& name) const {
        if (!is_tensor(name)) file_.fail(node, "no tensor is called '" + name + "'");
    }

    /// An expression over names under `config` and placeholders.
    Expression expression(const toml::node& node) const {
        const auto number = node.value_exact<std::int64_t>();
        return file_.placed(node, [&] { return Expression(number ? std::to_string(*number) : file_.text(node)); });
    }

    std::vector<Expression> expressions(const toml::table& in, std::string_view key) const {
        std::vector<Expression> result;
        if (!in.contains(key)) return result;
        for (const toml::node& item : as_array(*in.get(key))) result.push_back(expression(item));
        return result;
    }

    std::vector<KeyRule> read_keys(const toml::table& in) const {
        std::vector<KeyRule> keys;
        if (!in.contains("keys")) return keys;
        for (const toml::node& item : as_array(*in.get("keys"))) keys.push_back(read_key(as_table(item)));
        return keys;
    }

    KeyRule read_key(const toml::table& in) const {
        file_.check_keys(in, {"key", "type", "fields", "value", "fraction", "scale", "words", "default", "required",
                              "unless", "yields", "skip"});
        KeyRule rule;
        rule.key = file_.text(in, "key");
        const toml::node* type = in.get("type");
        if (!type) file_.fail(in, "'type' is missing");
        rule.type =
            type->is_array() && type->as_array()->size() == 1
                ? one_of<KeyType>(type->as_array()->front(), {{"i32", KeyType::i32s}, {"bool", KeyType::booleans}})
                : one_of<KeyType>(*type, {{"u32", KeyType::u32},
                                          {"f32", KeyType::f32},
                                          {"bool", KeyType::boolean},
                                          {"string", KeyType::string}});
        rule.fields = file_.texts(in, "fields");
        if (in.contains("value")) rule.value = expression(*in.get("value"));
        rule.fraction = file_.texts(in, "fraction");
        rule.scale = number(in, "scale", 1);
        if (in.contains("words")) rule.words = json_of(table(in, "words"));
        if (in.contains("default")) rule.fallback = json_of(*in.get("default"));
        rule.is_required = flag(in, "required");
        if (in.contains("unless")) rule.unless = json_of(*in.get("unless"));
        rule.yields = flag(in, "yields");
        if (in.contains("skip")) rule.skip = read_condition(table(in, "skip"), {});
        if (rule.fields.empty() && !rule.value && rule.fallback.is_null()) file_.fail(in, "nothing says its value");
        return rule;
    }

    std::vector<Remark> read_remarks(const toml::table& in, std::string_view key) const {
        std::vector<Remark> remarks;
        if (!in.contains(key)) return remarks;
        for (const toml::node& item : as_array(*in.get(key))) {
            const toml::table& remark = as_table(item);
            remarks.push_back({{read_condition(remark, {"and", "text"})}, file_.text(remark, "text")});
            if (remark.contains("and")) {
                remarks.back().conditions.push_back(read_condition(table(remark, "and"), {}));
            }
        }
        return remarks;
    }

    Condition read_condition(const toml::table& in, std::initializer_list<std::string_view> others) const {
        static constexpr std::array<std::string_view, 8> kOfField = {"is",      "unless", "has",     "lacks",
                                                                     "repeats", "breaks", "differs", "below"};
        bool asks_field = false;
        for (const auto& [key, node] : in) {
            const bool is_of_field = std::find(kOfField.begin(), kOfField.end(), key.str()) != kOfField.end();
            asks_field = asks_field || is_of_field;
            if (is_of_field || key == "field" || key == "when") continue;
            if (std::find(others.begin(), others.end(), key.str()) == others.end()) {
                file_.fail(node, "unknown key '" + std::string(key.str()) + "' in a condition");
            }
        }
        const auto json_at = [&](std::string_view key) { return in.contains(key) ? json_of(*in.get(key)) : json(); };
        Condition condition;
        if (in.contains("field")) condition.field = file_.text(in, "field");
        condition.is = json_at("is");
        condition.unless = json_at("unless");
        condition.has = json_at("has");
        condition.lacks = json_at("lacks");
        condition.repeats = period(in, "repeats");
        condition.breaks = period(in, "breaks");
        if (in.contains("differs")) condition.differs = expression(*in.get("differs"));
        if (in.contains("below")) condition.below = file_.text(in, "below");
        if (in.contains("when")) condition.when = expression(*in.get("when"));
        if (condition.field.empty() && (asks_field || !condition.when)) {
            file_.fail(in, "nothing says when it applies");
        }
        return condition;
    }

    json period(const toml::table& in, std::string_view key) const {
        if (!in.contains(key)) return nullptr;
        if (as_array(*in.get(key)).empty()) file_.fail(*in.get(key), "there is nothing to repeat");
        return json_of(*in.get(key));
    }

    std::map<std::string, json> read_ids(const toml::table& in) const {
        std::map<std::string, json> ids;
        if (!in.contains("ids")) return ids;
        for (const auto& [kind, id] : table(in, "ids")) {
            if (!id.is_integer() && !id.is_string()) file_.fail(id, "an id is a number or the text of a token");
            ids.emplace(kind.str(), json_of(id));
        }
        return ids;
    }

    TokenizerRules read_tokenizer(const toml::table& in) const {
        file_.check_keys(in, {"kinds", "added", "byte_level_class", "space_prefix", "ids", "by_vocabulary"});
        TokenizerRules rules;
        if (in.contains("kinds")) {
            for (const toml::node& item : as_array(*in.get("kinds"))) {
                rules.sources.push_back(one_of<TokenizerSource>(
                    item, {{"sentencepiece", TokenizerSource::sentencepiece}, {"json", TokenizerSource::json}}));
            }
        }
        rules.added = one_of<AddedStyle>(in, "added", AddedStyle::common, {{"phi3", AddedStyle::phi3}});
        if (in.contains("byte_level_class")) rules.byte_level_class = file_.text(in, "byte_level_class");
        if (in.contains("space_prefix")) rules.space_prefix = json_of(*in.get("space_prefix"));
        rules.ids = read_ids(in);
        if (!in.contains("by_vocabulary")) return rules;
        for (const toml::node& item : as_array(*in.get("by_vocabulary"))) {
            const toml::table& by = as_table(item);
            file_.check_keys(by, {"size", "ids", "add_bos"});
            if (!by.contains("size")) file_.fail(by, "'size' is missing");
            rules.by_size.push_back({count(*by.get("size")), read_ids(by), {}});
            if (by.contains("add_bos")) rules.by_size.back().add_bos = flag(by, "add_bos");
        }
        return rules;
    }

    NamePattern name_pattern(const toml::node& node) const {
        return file_.placed(node, [&] { return NamePattern(file_.text(node)); });
    }

    std::vector<Target> read_targets(const toml::node& node) const {
        std::vector<Target> targets;
        if (node.is_array()) {
            for (const toml::node& item : *node.as_array()) targets.push_back(read_target(item));
        } else {
            targets.push_back(read_target(node));
        }
        return targets;
    }

    Target read_target(const toml::node& node) const {
        if (node.is_string()) return {name_pattern(node), {}, false, 0, {}, {}, {}, {}};
        const toml::table& in = as_table(node);
        file_.check_keys(in, {"name", "permute", "transpose", "add", "view", "take", "axes", "shape"});
        if (!in.contains("name")) file_.fail(in, "'name' is missing");
        Target target{name_pattern(*in.get("name")), {}, flag(in, "transpose"), number(in, "add", 0), {}, {}, {}, {}};
        if (in.contains("permute")) target.permute = expression(*in.get("permute"));
        target.view = expressions(in, "view");
        target.shape = expressions(in, "shape");
        if (in.contains("take")) {
            const toml::array& take = as_array(*in.get("take"));
            if (take.size() != 3) file_.fail(take, "'take' is [axis, first, count]");
            target.take = TakeRule{axis(take[0], target), expression(take[1]), expression(take[2])};
        }
        if (in.contains("axes")) {
            for (const toml::node& item : as_array(*in.get("axes"))) target.axes.push_back(axis(item, target));
            if (target.axes.size() != target.view.size()) file_.fail(in, "'axes' and 'view' differ in length");
        }
        return target;
    }

    std::uint32_t axis(const toml::node& node, const Target& target) const {
        const std::uint64_t value = count(node);
        if (value >= target.view.size()) file_.fail(node, "'view' has no axis " + std::to_string(value));
        return static_cast<std::uint32_t>(value);
    }

    TomlFile file_;
    const ModelRules* rules_;  ///< null for a file without tensors
};

}  // namespace

std::optional<GgufModel> load_gguf_model(const std::string& file, const ModelRules& rules) {
    GgufFile reader(file, &rules);
    if (!reader.has_model()) return std::nullopt;
    return reader.read_model();
}

std::vector<KeyRule> load_common_keys(const std::string& file) {
    return GgufFile(file, nullptr).read_common_keys();
}

}  // namespace unshard::gguf
