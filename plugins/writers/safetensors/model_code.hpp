// The Python files that a model's configuration names.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace unshard::safetensors {

/// The Python files among `names`, the files in `directory`, that `auto_map` of the configurations names, and those
/// that they import. Throws Error for a link that leaves the directory.
std::set<std::string> model_code(const std::filesystem::path& directory, const std::set<std::string>& names,
                                 std::vector<std::string>& warnings);

}  // namespace unshard::safetensors
