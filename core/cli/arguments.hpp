// Command-line parsing: what CLI11 leaves to be said about mistakes.
#pragma once

#include "command.hpp"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace unshard::cli {

/// The parts of the help text that CLI11 cannot know: "INPUT -o OUTPUT [OPTIONS]" and the examples.
void set_help(CLI::App& app, const std::string& description, const std::string& usage, const std::string& examples);

/// Parses the words behind the program's name. False when help or the version was asked for: it is printed then.
/// Throws UsageError in one line, with the nearest known command or option for an unknown one.
bool parse(CLI::App& program, const std::vector<std::string>& words);

/// An option that may be given several times, with one value each time.
CLI::Option* add_list(CLI::App& app, const std::string& names, std::vector<std::string>& values,
                      const std::string& help);

}  // namespace unshard::cli
