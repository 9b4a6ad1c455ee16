// One shared object: opened, and proved to be a plugin that this program can talk to.
#pragma once

#include "unshard/abi.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace unshard {

/// The numbers are those of the ABI.
enum class PluginKind : std::uint32_t {
    reader = UNSHARD_KIND_READER,
    merger = UNSHARD_KIND_MERGER,
    writer = UNSHARD_KIND_WRITER,
};

std::string_view to_string(PluginKind kind);

/// "unshard-reader-fsdp.so"
std::string plugin_file_name(PluginKind kind, std::string_view name);

/// Letters, digits, '_' and '-', the first no '-'. Nothing else can become part of a path.
bool is_plugin_name(std::string_view name);

/// A plugin file after an attempt to use it: `info` is null exactly when `refusal` says why.
struct PluginLibrary {
    std::filesystem::path file;
    const unshard_plugin_info* info = nullptr;
    std::string refusal;  ///< found, expected, cure; the file is not named in it
};

/// Loads a plugin's file (an absolute path) for the rest of the process. `kind` and `name` are what its name promises.
PluginLibrary open_plugin(const std::filesystem::path& file, PluginKind kind, const std::string& name);

}  // namespace unshard
