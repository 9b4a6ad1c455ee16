/* A plugin that does nothing. It is right in everything but what the build's definitions make wrong; `unused` is for
 * what they leave out. */
#include "unshard/abi.h"

#ifndef MAGIC
#define MAGIC UNSHARD_ABI_MAGIC
#endif
#ifndef MAJOR
#define MAJOR UNSHARD_ABI_MAJOR
#endif
#ifndef MINOR
#define MINOR UNSHARD_ABI_MINOR
#endif
#ifndef INFO_SIZE
#define INFO_SIZE sizeof(unshard_plugin_info)
#endif
#ifndef KIND
#define KIND UNSHARD_KIND_READER
#endif
#ifndef NAME
#define NAME PLUGIN_NAME
#endif
#ifndef VERSION
#define VERSION "1.2.3"
#endif
#ifndef SUMMARY
#define SUMMARY "does nothing"
#endif
#ifndef TABLE
#define TABLE &table
#endif
#ifndef TABLE_SIZE
#define TABLE_SIZE sizeof table
#endif
#ifndef FIRST_FUNCTION
#define FIRST_FUNCTION do_nothing
#endif
#ifndef SECOND_FUNCTION
#define SECOND_FUNCTION do_nothing
#endif

#if KIND == UNSHARD_KIND_MERGER
__attribute__((unused)) static int32_t do_nothing(unshard_array request, unshard_array index,
                                                  const unshard_sink* sink) {
    (void)request, (void)index, (void)sink;
    return 1;
}
__attribute__((unused)) static const unshard_merger table = {TABLE_SIZE, FIRST_FUNCTION};
#elif KIND == UNSHARD_KIND_WRITER
__attribute__((unused)) static int32_t do_nothing(unshard_array request, unshard_array plan, const unshard_sink* sink,
                                                  void** state) {
    (void)request, (void)plan, (void)sink, (void)state;
    return 1;
}
__attribute__((unused)) static const unshard_writer table = {TABLE_SIZE, FIRST_FUNCTION, 0, 0};
#else
__attribute__((unused)) static int32_t do_nothing(unshard_array request, const unshard_sink* sink) {
    (void)request, (void)sink;
    return 0;
}
__attribute__((unused)) static const unshard_reader table = {TABLE_SIZE, FIRST_FUNCTION, SECOND_FUNCTION};
#endif

const unshard_plugin_info unshard_plugin = {MAGIC, MAJOR, MINOR, INFO_SIZE, KIND, 0, NAME, VERSION, SUMMARY, TABLE};
