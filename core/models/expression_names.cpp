#include "models/expression_names.hpp"

#include "unshard/tools/contains.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace unshard {
namespace {

[[noreturn]] void unknown_name(const Node& node, const std::string& name) {
    node.fail(fmt::format("'{0}' is not defined above: write config.{0} = the field of config.json", name));
}

}  // namespace

ExpressionNames::ExpressionNames(const Node& root) {
    for (const auto& [name, node] : root.entries("config")) config_.push_back(config_name(name, node));
    for (const auto& [name, node] : root.entries("define")) defined_.emplace_back(name, with_definitions(node));
}

Expression ExpressionNames::expression(const Node& node, const std::vector<std::string>& placeholders) const {
    Expression result = with_definitions(node);
    for (const std::string& name : result.numbers()) {
        if (!contains(placeholders, name) && !has(name, false)) unknown_name(node, name);
    }
    for (const std::string& name : result.lists()) {
        if (!has(name, true)) unknown_name(node, name);
    }
    return result;
}

bool ExpressionNames::has(const std::string& name, bool is_list) const {
    return std::any_of(config_.begin(), config_.end(),
                       [&](const ConfigName& c) { return c.name == name && c.is_list == is_list; });
}

Expression ExpressionNames::with_definitions(const Node& node) const {
    std::string source;
    if (node.value().is_string()) source = node.text();
    if (node.value().is_number_integer()) source = node.value().dump();
    if (node.value().is_boolean()) source = node.value() == true ? "1" : "0";
    if (source.empty()) node.fail("an expression must be a string, a number, true or false");
    return node.placed([&] {
        Expression result(source);
        for (const auto& [name, meaning] : defined_) result.inline_name(name, meaning);
        return result;
    });
}

ConfigName ExpressionNames::config_name(const std::string& name, const Node& node) const {
    if (node.value().is_string()) return {name, {node.text()}, std::nullopt, false, {}};
    if (!node.value().is_object())
        node.fail(fmt::format("'{}' must be a field's name or {{ field = ..., default = ... }}", name));
    node.check_keys({"field", "default", "count"});
    ConfigName result{name, node.texts("field"), std::nullopt, false, {}};
    if (node.has("count")) result.counted = node.text("count");
    if (result.fields.empty()) node.fail("'field' is missing");
    if (!node.has("default")) return result;
    const Node fallback = node.at("default");
    if (fallback.value().is_array()) {
        if (!fallback.value().empty()) fallback.fail("a list can only be empty by default");
        result.is_list = true;
    } else {
        result.fallback = expression(fallback, {});
    }
    return result;
}

}  // namespace unshard
