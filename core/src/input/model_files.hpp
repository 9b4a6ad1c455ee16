// Where the facts about models are: configs/models, beside the program.
#pragma once

#include <string>

namespace unshard {

/// `../share/unshard/configs/models` of the executable: in a build and in an installation alike. Empty when it is not
/// there.
std::string models_directory();

/// What `--rules` means: a file when it looks like one ("my/rules.toml"), else a name in models_directory(). Throws
/// UsageError that lists the known names.
std::string rules_file(const std::string& rules);

}  // namespace unshard
