// The plugins of this build, through the real loader.
#pragma once

#include "plugins/plugin_loader.hpp"

namespace unshard::test {

inline Plugins bundled_plugins() {
    return Plugins({std::string(UNSHARD_BINARY_DIR) + "/lib/unshard/plugins"});
}

}  // namespace unshard::test
