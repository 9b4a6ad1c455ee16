// Standard output for results, standard error for everything else.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace unshard::cli {

/// Writes a result. When nobody reads it any more the process ends as by SIGPIPE; other failures throw Error.
void print(std::string_view text);

/// Writes what a conversion that is done has to say. When that fails it is done all the same: a warning.
void print_summary(std::string_view text);

/// As `print` wants it, in ASCII. Paths that are no UTF-8 come out with replacement characters.
std::string json_text(const nlohmann::ordered_json& json);

/// `unshard: <text>` in one line on standard error, whatever the text holds, and however much.
void print_error(std::string_view text);

/// `unshard: warning: <text>`.
void print_warning(std::string_view text);

}  // namespace unshard::cli
