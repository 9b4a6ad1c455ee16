// From another program's names and layouts to the model's, as a dialect's file says.
#pragma once

#include "models/dialect.hpp"
#include "models/rules.hpp"
#include "unshard/plan.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace unshard {

/// Of a setting that chooses a dialect: the one that is recognised, or none.
inline constexpr std::string_view kAutoNames = "auto", kKeepNames = "keep";
/// The names that save_pretrained writes, where they differ from those in memory (state_dict).
inline constexpr std::string_view kHubNames = "hub";

/// What a dialect says of one model.
struct ChosenDialect {
    std::string name;    ///< of its file
    std::string option;  ///< that chooses it: --names or --output-names
    std::string title;
    std::string file;
    std::vector<ConfigName> config;
    DialectModels models;
};

/// What a dialect is chosen by.
struct NamedModel {
    std::vector<std::string> names;        ///< of its tensors
    std::string architecture;              ///< empty when there is no config.json
    std::vector<std::string> directories;  ///< of models; dialects are files in `names` of these
};

/// The dialect that `wanted` asks for: kAutoNames (the one whose names these are, if any), kKeepNames (none), one of
/// the directories by its name, or a file's path. Throws UsageError when there is none of that name, Error when it does
/// not say anything of the class, its names are not these, or these are the names of two dialects.
std::optional<ChosenDialect> choose_dialect(const std::string& wanted, const NamedModel& model);

/// The same for an output. The dialect "hub" is none where it has nothing to say of the class.
std::optional<ChosenDialect> output_dialect(const std::string& wanted, const NamedModel& model);

/// The plan in the model's names. `config` are the model's settings (null when there is no config.json); `rules` decide
/// between names of which a model has one or the other, when they are known. Throws Error that names a tensor that has
/// no rule, two that get one name, or a layout that differs from config.json.
Plan translate(Plan plan, const ChosenDialect& dialect, const nlohmann::json& config,
               const std::optional<ModelRules>& rules);

}  // namespace unshard
