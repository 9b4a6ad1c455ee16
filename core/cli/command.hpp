// The sub-commands. Each declares its options, its help and what it does. Their variables are static, because parsing
// writes into them when the function has returned.
#pragma once

#include <CLI/CLI.hpp>

#include <functional>

namespace unshard::cli {

/// Runs a sub-command whose options are parsed. Returns the exit code; errors are thrown.
using Run = std::function<int()>;

Run convert(CLI::App& app);
Run run(CLI::App& app);
Run plan(CLI::App& app);
Run inspect(CLI::App& app);
Run plugins(CLI::App& app);
Run diff(CLI::App& app);
Run names(CLI::App& app);
Run init(CLI::App& app);

}  // namespace unshard::cli
