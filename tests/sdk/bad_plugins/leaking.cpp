// A reader without the glue of plugin.hpp that lets an exception out of its C functions.
#include "unshard/abi.h"

#include <stdexcept>

namespace {

std::int32_t leak(unshard_array, const unshard_sink*) {
    throw std::runtime_error("nobody of this plugin catches this");
}

constexpr unshard_reader kTable = {sizeof(unshard_reader), leak, leak};

}  // namespace

extern "C" const unshard_plugin_info unshard_plugin = {UNSHARD_ABI_MAGIC,
                                                       UNSHARD_ABI_MAJOR,
                                                       0,
                                                       sizeof(unshard_plugin_info),
                                                       UNSHARD_KIND_READER,
                                                       0,
                                                       "leaking",
                                                       "1.0",
                                                       "lets an exception out",
                                                       &kTable};
