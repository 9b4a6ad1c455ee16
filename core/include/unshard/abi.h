/* The binary interface between unshard and its plugins. C11 and C++20 both compile this file.
 *
 * A plugin is a shared object `unshard-<kind>-<name>.so` that exports one data symbol, `unshard_plugin`.
 * Authors in C++ include "unshard/plugin.hpp", which is all of this already put to use; nothing here needs it.
 *
 * Memory: whatever is passed to a call is the caller's and is valid until that call returns. The receiver copies what
 * it keeps. Nobody frees the other side's memory. Exceptions never cross, either way: a plugin's function returns 0
 * for success; for failure it calls `fail` of its sink once with a text for people and returns anything else. Threads:
 * a plugin's functions are called from one thread at a time, except `encode`, which any number of threads may call at
 * once. Growth: minor versions add members at the end of records and tables. Each table starts with its size; each
 * record arrives in an unshard_array that states the size of one item. A member that lies past that size reads as
 * zero. unshard_string, unshard_array, unshard_stream, unshard_dims, unshard_box and unshard_encoding lie inside other
 * records, so they never grow. */
#ifndef UNSHARD_ABI_H
#define UNSHARD_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define UNSHARD_ABI_MAGIC UINT64_C(0x0044524148534e55) /* "UNSHARD\0", little-endian */
#define UNSHARD_ABI_MAJOR 1
#define UNSHARD_ABI_MINOR 0

/* Bytes, UTF-8 where they are text; not terminated. */
typedef struct unshard_string {
    const char* data;
    uint64_t size;
} unshard_string;

/* `count` records of `item_size` bytes each, one behind the other. */
typedef struct unshard_array {
    const void* data;
    uint64_t count;
    uint64_t item_size;
} unshard_array;

/* Records that are too many to be in memory twice: they are handed over some at a time. `next` makes `batch` the records
 * that follow, which are valid until it is called again; none: there are no more. It returns 0, or another value when it
 * failed: then the call that the stream belongs to fails too. Without a `next` there are no records. */
typedef struct unshard_stream {
    void* owner;
    int32_t (*next)(void* owner, unshard_array* batch);
} unshard_stream;

typedef struct unshard_dims {
    uint64_t rank; /* 0 to 8 */
    uint64_t values[8];
} unshard_dims;

typedef struct unshard_box {
    unshard_dims origin;
    unshard_dims extent;
} unshard_box;

/* ---- index: see index.hpp for what each member means ------------------------------------------------------------- */

typedef struct unshard_placement {
    uint32_t kind; /* 0 replicate, 1 shard, 2 strided shard, 3 partial sum, 4 partial average */
    uint32_t dim;
    uint64_t split_factor;
} unshard_placement;

typedef struct unshard_mesh {
    unshard_dims shape;
    unshard_array dim_names; /* of unshard_string */
    unshard_array ranks;     /* of uint64_t */
} unshard_mesh;

typedef struct unshard_shard_spec {
    unshard_dims shape;
    unshard_dims stride;
    unshard_dims origin;
    uint32_t has_origin; /* 0 or 1 */
    uint32_t has_mesh;   /* 0 or 1 */
    uint32_t mesh;
    uint32_t reserved;
    unshard_array placements; /* of unshard_placement */
} unshard_shard_spec;

typedef struct unshard_shard {
    uint64_t offset;
    uint64_t bytes;
    uint64_t first;
    uint32_t file;
    uint32_t rank;
    uint32_t spec;      /* into the tensor's specs */
    uint32_t has_crc32; /* 0 or 1 */
    uint32_t crc32;     /* of the storage's bytes, as in a zip */
    uint32_t reserved;
} unshard_shard;

typedef struct unshard_encoding {
    unshard_string name;
    uint64_t block_elems;
    uint64_t block_bytes;
} unshard_encoding;

typedef struct unshard_source_tensor {
    unshard_string name;
    uint32_t dtype; /* dtype.hpp */
    uint32_t has_shape;
    unshard_dims shape;
    unshard_array specs;       /* of unshard_shard_spec */
    unshard_array shards;      /* of unshard_shard */
    unshard_encoding encoding; /* without a name: plain elements */
} unshard_source_tensor;

typedef struct unshard_source_file {
    unshard_string path;
    uint64_t bytes;
    uint32_t packing;     /* 0 none, 1 zstd */
    uint32_t packed_file; /* used with packing, as are the next two */
    uint64_t packed_offset;
    uint64_t packed_bytes;
    uint64_t device; /* this and the next three: of stat, when it was indexed; all 0: not known */
    uint64_t inode;
    int64_t modified_ns;
    int64_t changed_ns;
} unshard_source_file;

typedef struct unshard_dropped {
    unshard_string name;
    unshard_string why;
} unshard_dropped;

typedef struct unshard_index {
    unshard_string format;
    uint64_t ranks;             /* 0: as many as shards and meshes name */
    unshard_array files;        /* of unshard_source_file */
    unshard_array meshes;       /* of unshard_mesh */
    unshard_stream tensors;     /* of unshard_source_tensor */
    unshard_array dropped;      /* of unshard_dropped */
    unshard_array warnings;     /* of unshard_string */
    unshard_string metadata;    /* a JSON object */
    uint32_t is_training_state; /* 0 or 1 */
    uint32_t reserved;
} unshard_index;

/* ---- plan: see plan.hpp ------------------------------------------------------------------------------------------ */

typedef struct unshard_copy {
    uint32_t tensor;
    uint32_t shard;
    uint64_t first;
    unshard_dims stride;
    unshard_box box;
} unshard_copy;

typedef struct unshard_planned_tensor {
    unshard_string name;
    uint32_t dtype;
    uint32_t replicas_stated; /* 0 or 1 */
    unshard_dims shape;
    unshard_dims view;
    unshard_array copies;   /* of unshard_copy */
    unshard_array replicas; /* of unshard_copy */
    uint64_t divisor;       /* of a sum; at least 1 */
    uint32_t is_sum;        /* 0 or 1 */
    uint32_t reserved;
} unshard_planned_tensor;

typedef struct unshard_plan {
    unshard_stream tensors; /* of unshard_planned_tensor */
    unshard_array dropped;  /* of unshard_dropped */
    unshard_array warnings; /* of unshard_string */
} unshard_plan;

/* ---- layout: see layout.hpp -------------------------------------------------------------------------------------- */

typedef struct unshard_output_file {
    unshard_string name;
    uint64_t bytes;
} unshard_output_file;

typedef struct unshard_literal {
    uint32_t file;
    uint32_t reserved;
    uint64_t offset;
    unshard_string bytes;
} unshard_literal;

typedef struct unshard_placed {
    uint32_t tensor;
    uint32_t file;
    uint32_t encoding;
    uint32_t reserved;
    unshard_dims view;
    unshard_box box;
    unshard_dims axes; /* rank 0: as they are */
    double add;
    uint64_t offset;
} unshard_placed;

typedef struct unshard_asset {
    unshard_string source;
    unshard_string name;
} unshard_asset;

typedef struct unshard_layout {
    unshard_array encodings;   /* of unshard_encoding */
    unshard_array files;       /* of unshard_output_file */
    unshard_array literals;    /* of unshard_literal */
    unshard_array placed;      /* of unshard_placed */
    unshard_array assets;      /* of unshard_asset */
    unshard_array dropped;     /* of unshard_dropped */
    unshard_array warnings;    /* of unshard_string */
    unshard_array left_behind; /* of unshard_string */
    uint64_t tensors;          /* how many the files hold; 0: each of placed is one */
} unshard_layout;

/* ---- calls ------------------------------------------------------------------------------------------------------- */

typedef struct unshard_request {
    unshard_string input;   /* reader: the path to read */
    unshard_string output;  /* writer: the path to write */
    unshard_string assets;  /* merger, writer: the directory of config.json and tokenizer; empty when there is none */
    unshard_string options; /* a JSON object; the plugin refuses keys that it does not know */
    uint32_t threads;       /* how many the plugin may use in this call, at least 1 */
    uint32_t reserved;
    unshard_string config;         /* merger, writer: JSON, config.json as transformers reads it, or null */
    unshard_string model;          /* merger, writer: a JSON object, facts about the model: see request.hpp */
    unshard_string config_changes; /* merger, writer: a JSON merge patch (RFC 7396) for config.json */
} unshard_request;

/* Where a call's result goes. `accept` takes an array of exactly one record: reader index: unshard_index,
 * merger plan: unshard_plan, writer layout: unshard_layout; probe and encode never call it. It returns 0, or another
 * value when the host refuses the record: then the call returns a failure at once and need not call `fail`. */
typedef struct unshard_sink {
    uint64_t size;
    void* host;
    int32_t (*accept)(void* host, unshard_array one_record);
    void (*fail)(void* host, unshard_string message, uint32_t failure); /* UNSHARD_FAILURE_* */
    /* How far a long index is: `done` of `total`, files or what else the plugin counts. May be called often, by any
     * thread of the plugin's. Another value than 0: the host wants to stop; return a failure at once. */
    int32_t (*progress)(void* host, uint64_t done, uint64_t total);
} unshard_sink;

#define UNSHARD_FAILURE_ERROR 0      /* the message is for the user, as it is */
#define UNSHARD_FAILURE_USAGE 1      /* likewise; wrong usage or configuration */
#define UNSHARD_FAILURE_UNEXPECTED 2 /* a text the plugin did not write: the host names the plugin's file in front */

typedef struct unshard_reader {
    uint64_t size;
    /* How sure the plugin is that it can read request.input: 0 "not mine" (in silence) to 100. Negative: failed. */
    int32_t (*probe)(unshard_array request, const unshard_sink* sink);
    int32_t (*index)(unshard_array request, const unshard_sink* sink);
} unshard_reader;

typedef struct unshard_merger {
    uint64_t size;
    int32_t (*plan)(unshard_array request, unshard_array index, const unshard_sink* sink);
} unshard_merger;

typedef struct unshard_writer {
    uint64_t size;
    /* The plan's tensors have no copies here: a layout depends on names, types and shapes alone. `state` may be set to
     * what `encode` needs to know of this layout; it is released when the layout was written, or failed to be. */
    int32_t (*layout)(unshard_array request, unshard_array plan, const unshard_sink* sink, void** state);
    /* Encodes `rows` rows of `row_elems` floats into `out`, whose `out_bytes` are exactly what the blocks of that
     * encoding take; `encoding` is its number in the layout. NULL when the writer has no encodings of its own. Changes
     * nothing but `out`; called from several threads at once. */
    int32_t (*encode)(const void* state, uint32_t encoding, const float* values, uint64_t rows, uint64_t row_elems,
                      void* out, uint64_t out_bytes, const unshard_sink* sink);
    void (*release)(void* state); /* NULL when `layout` sets no state */
} unshard_writer;

#define UNSHARD_KIND_READER 1
#define UNSHARD_KIND_MERGER 2
#define UNSHARD_KIND_WRITER 3

typedef struct unshard_plugin_info {
    uint64_t magic;
    uint32_t abi_major;
    uint32_t abi_minor; /* the least minor version of the host that the plugin needs */
    uint64_t size;      /* of this struct */
    uint32_t kind;
    uint32_t reserved;
    const char* name; /* as pipelines call it; terminated, and so are the next two */
    const char* version;
    const char* summary; /* one line */
    const void* table;   /* unshard_reader, unshard_merger or unshard_writer */
} unshard_plugin_info;

/* What a plugin defines and the host looks up. */
extern __attribute__((visibility("default"))) const unshard_plugin_info unshard_plugin;

#ifdef __cplusplus
}
#endif

#endif
