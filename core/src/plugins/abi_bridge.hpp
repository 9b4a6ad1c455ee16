// A plugin's C table as an object of the class that its author derived from: the engine sees nothing else.
//
// Errors. What a plugin says through `fail` reaches the user as it is: plugins name the file or tensor that is wrong.
// The plugin's own file is put in front when it is the plugin that is wrong: an exception that it did not mean to
// throw, a record that does not convert, or a call that does not keep to the protocol of abi.h.
#pragma once

#include "plugins/plugin_library.hpp"
#include "unshard/plugin.hpp"

#include <memory>

namespace unshard {

/// `library` was accepted and holds a plugin of that kind.
std::unique_ptr<Reader> bridged_reader(const PluginLibrary& library);
std::unique_ptr<Merger> bridged_merger(const PluginLibrary& library);
std::unique_ptr<Writer> bridged_writer(const PluginLibrary& library);

}  // namespace unshard
