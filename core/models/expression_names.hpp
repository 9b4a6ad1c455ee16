// The names that a file of configs/ gives to fields of config.json and to expressions, under `config` and `define`.
#pragma once

#include "models/document.hpp"
#include "models/expression.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace unshard {

/// A name under `config`: the first of `fields` that config.json has, else `fallback`.
struct ConfigName {
    std::string name;
    std::vector<std::string> fields;
    std::optional<Expression> fallback;
    bool is_list = false;  ///< a list of numbers, empty when it is not there
    std::string counted;   ///< an object or list whose size counts before `fields`, when config.json has it
};

class ExpressionNames {
public:
    ExpressionNames() = default;
    /// Reads `config` and `define` of a file. Throws UsageError with file:line:column.
    explicit ExpressionNames(const Node& root);

    /// An expression over names under `config` and these placeholders; names under `define` stand for theirs. true and
    /// false are 1 and 0.
    Expression expression(const Node& node, const std::vector<std::string>& placeholders) const;

    bool has_number(const std::string& name) const { return has(name, false); }
    const std::vector<ConfigName>& config() const { return config_; }

private:
    bool has(const std::string& name, bool is_list) const;
    Expression with_definitions(const Node& node) const;
    ConfigName config_name(const std::string& name, const Node& node) const;

    std::vector<ConfigName> config_;
    std::vector<std::pair<std::string, Expression>> defined_;
};

/// The numbers behind names under `config`. A `text_config` in config.json comes before its root. `file` is the one
/// with the names. Throws Error that names the field.
Values config_values(const std::vector<ConfigName>& names, const std::string& file, const nlohmann::json& config);

}  // namespace unshard
