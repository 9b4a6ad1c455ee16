// The files of data/, which are compiled into the plugin.
#pragma once

#include "models/document.hpp"

namespace unshard::gguf {

/// By the file's name, e.g. "common-keys.toml".
Document own_data(const char* name);

}  // namespace unshard::gguf
