// Directories that the marker readers take for checkpoints.
#pragma once

#include "plugins/plugin_loader.hpp"
#include "support/temp_dir.hpp"

#include <filesystem>
#include <string>

namespace unshard::test {

inline Plugins marker_readers() {
    return Plugins({UNSHARD_MARKER_READERS});
}

/// Makes `directory` a checkpoint of the reader `name`, or, for "both", of either.
inline void mark(const std::string& directory, const std::string& name) {
    std::filesystem::create_directories(directory);
    write_file(directory + "/" + name, "12345678");
}

}  // namespace unshard::test
