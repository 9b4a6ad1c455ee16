// The Python files that a model's configuration names.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace unshard::safetensors {

/// Of `names`, the files in `directory`, those of Python that its configurations name in `auto_map`, and what these
/// import beside themselves. Throws Error for one that lies elsewhere, by a link.
std::set<std::string> model_code(const std::filesystem::path& directory, const std::set<std::string>& names,
                                 std::vector<std::string>& warnings);

}  // namespace unshard::safetensors
