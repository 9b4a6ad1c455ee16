// The sub-commands. Each takes its arguments, without its own name, and returns the exit code; errors are thrown.
#pragma once

#include <string>
#include <vector>

namespace unshard::cli {

using Words = std::vector<std::string>;

int convert(const Words& words);
int run(const Words& words);
int plan(const Words& words);
int inspect(const Words& words);
int plugins(const Words& words);
int diff(const Words& words);
int init(const Words& words);

}  // namespace unshard::cli
