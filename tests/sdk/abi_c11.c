/* Proves that abi.h is C11, and that its records have the layout that every compiler of a plugin must give them. */
#include "unshard/abi.h"

#include <stddef.h>

_Static_assert(sizeof(unshard_string) == 16, "size");
_Static_assert(sizeof(unshard_array) == 24, "size");
_Static_assert(sizeof(unshard_dims) == 72, "size");
_Static_assert(sizeof(unshard_box) == 144, "size");
_Static_assert(sizeof(unshard_placement) == 16, "size");
_Static_assert(sizeof(unshard_mesh) == 120, "size");
_Static_assert(sizeof(unshard_stream) == 16, "size");
_Static_assert(sizeof(unshard_shard_spec) == 256, "size");
_Static_assert(sizeof(unshard_shard) == 48, "size");
_Static_assert(sizeof(unshard_source_tensor) == 176, "size");
_Static_assert(sizeof(unshard_source_file) == 80, "size");
_Static_assert(sizeof(unshard_dropped) == 32, "size");
_Static_assert(sizeof(unshard_index) == 160, "size");
_Static_assert(sizeof(unshard_copy) == 232, "size");
_Static_assert(sizeof(unshard_planned_tensor) == 232, "size");
_Static_assert(sizeof(unshard_plan) == 64, "size");
_Static_assert(sizeof(unshard_encoding) == 32, "size");
_Static_assert(sizeof(unshard_output_file) == 24, "size");
_Static_assert(sizeof(unshard_literal) == 32, "size");
_Static_assert(sizeof(unshard_placed) == 320, "size");
_Static_assert(sizeof(unshard_asset) == 32, "size");
_Static_assert(sizeof(unshard_layout) == 200, "size");
_Static_assert(sizeof(unshard_request) == 120, "size");
_Static_assert(sizeof(unshard_sink) == 40, "size");
_Static_assert(sizeof(unshard_reader) == 24, "size");
_Static_assert(sizeof(unshard_merger) == 16, "size");
_Static_assert(sizeof(unshard_writer) == 32, "size");
_Static_assert(sizeof(unshard_plugin_info) == 64, "size");
_Static_assert(offsetof(unshard_plugin_info, abi_major) == 8, "what any host reads first never moves");
_Static_assert(offsetof(unshard_plugin_info, size) == 16, "what any host reads first never moves");

uint64_t unshard_test_magic_in_c(void);
uint64_t unshard_test_magic_in_c(void) {
    return UNSHARD_ABI_MAGIC;
}
