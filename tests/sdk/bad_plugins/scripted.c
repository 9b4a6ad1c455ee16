/* A reader in C whose input says how it keeps or breaks the protocol of abi.h. */
#include "unshard/abi.h"

#include <stddef.h>
#include <string.h>

static unshard_string text(const char* s) {
    const unshard_string result = {s, strlen(s)};
    return result;
}

static unshard_array one(const void* record, uint64_t size) {
    const unshard_array result = {record, 1, size};
    return result;
}

static unshard_index plain_index(void) {
    unshard_index index = {0};
    index.format = text("scripted");
    index.ranks = 1;
    return index;
}

static int32_t give(const unshard_sink* sink, const unshard_index* index) {
    return sink->accept(sink->host, one(index, sizeof *index));
}

/* An unshard_array, once. */
static int32_t next_of_array(void* owner, unshard_array* batch) {
    unshard_array* rest = owner;
    *batch = *rest;
    rest->count = 0;
    return 0;
}

static int32_t give_tensor(const unshard_sink* sink, const unshard_source_tensor* tensor) {
    unshard_index index = plain_index();
    unshard_array tensors = one(tensor, sizeof *tensor);
    index.tensors.owner = &tensors;
    index.tensors.next = next_of_array;
    return give(sink, &index);
}

static int32_t break_off(void* owner, unshard_array* batch) {
    (void)owner, (void)batch;
    return 1;
}

static int32_t broken_stream(const unshard_sink* sink) {
    unshard_index index = plain_index();
    index.tensors.next = break_off;
    return give(sink, &index);
}

static int32_t broken_stream_with_reason(const unshard_sink* sink) {
    broken_stream(sink);
    sink->fail(sink->host, text("model.toy: its list of tensors ends early"), UNSHARD_FAILURE_ERROR);
    return 1;
}

static int32_t right(const unshard_sink* sink) {
    const unshard_index index = plain_index();
    return give(sink, &index);
}

static int32_t twice(const unshard_sink* sink) {
    const int32_t first = right(sink);
    return first != 0 ? first : right(sink);
}

static int32_t two_records(const unshard_sink* sink) {
    const unshard_index both[2] = {plain_index(), plain_index()};
    const unshard_array array = {both, 2, sizeof both[0]};
    return sink->accept(sink->host, array);
}

static int32_t no_result(const unshard_sink* sink) {
    (void)sink;
    return 0;
}

static int32_t no_reason(const unshard_sink* sink) {
    (void)sink;
    return 1;
}

static int32_t empty_reason(const unshard_sink* sink) {
    sink->fail(sink->host, text(""), UNSHARD_FAILURE_ERROR);
    return 1;
}

static int32_t result_then_failure(const unshard_sink* sink) {
    right(sink);
    return 1;
}

static int32_t fails(const unshard_sink* sink) {
    sink->fail(sink->host, text("model.toy: ends early: copy it again"), UNSHARD_FAILURE_ERROR);
    sink->fail(sink->host, text("a second text"), UNSHARD_FAILURE_ERROR);
    return 1;
}

static int32_t fails_and_succeeds(const unshard_sink* sink) {
    fails(sink);
    return 0;
}

static int32_t usage(const unshard_sink* sink) {
    sink->fail(sink->host, text("unknown option 'x': there are none"), UNSHARD_FAILURE_USAGE);
    return 1;
}

static int32_t unknown_failure(const unshard_sink* sink) {
    sink->fail(sink->host, text("of a kind from the future"), 77);
    return 1;
}

static int32_t bad_dtype(const unshard_sink* sink) {
    unshard_source_tensor tensor = {0};
    tensor.dtype = 99;
    return give_tensor(sink, &tensor);
}

static int32_t ignored_refusal(const unshard_sink* sink) {
    bad_dtype(sink);
    return 0;
}

static int32_t bad_rank(const unshard_sink* sink) {
    unshard_source_tensor tensor = {0};
    tensor.has_shape = 1;
    tensor.shape.rank = 9;
    return give_tensor(sink, &tensor);
}

static int32_t bad_placement(const unshard_sink* sink) {
    const unshard_placement placement = {5, 0, 1};
    unshard_shard_spec spec = {0};
    spec.placements = one(&placement, sizeof placement);
    unshard_source_tensor tensor = {0};
    tensor.specs = one(&spec, sizeof spec);
    return give_tensor(sink, &tensor);
}

static int32_t bad_spec(const unshard_sink* sink) {
    const unshard_shard shard = {0};
    unshard_source_tensor tensor = {0};
    tensor.shards = one(&shard, sizeof shard);
    return give_tensor(sink, &tensor);
}

static int32_t array_without_data(const unshard_sink* sink) {
    unshard_index index = plain_index();
    index.files.count = 3;
    index.files.item_size = sizeof(unshard_source_file);
    return give(sink, &index);
}

static int32_t bad_metadata(const unshard_sink* sink) {
    unshard_index index = plain_index();
    index.metadata = text("{\"half\": ");
    return give(sink, &index);
}

static int32_t metadata_of_another_type(const unshard_sink* sink) {
    unshard_index index = plain_index();
    index.metadata = text("[1, 2]");
    return give(sink, &index);
}

/* Records of a later minor version: what this host knows comes first, what it does not know behind it. */
static int32_t bigger_records(const unshard_sink* sink) {
    struct {
        unshard_source_file now;
        uint64_t later[3];
    } files[2];
    struct {
        unshard_index now;
        unshard_string later;
    } index;
    memset(files, 0xff, sizeof files);
    memset(&files[0].now, 0, sizeof files[0].now);
    memset(&files[1].now, 0, sizeof files[1].now);
    files[0].now.path = text("a.toy");
    files[0].now.bytes = 10;
    files[1].now.path = text("b.toy");
    files[1].now.bytes = 20;
    index.now = plain_index();
    index.now.files.data = files;
    index.now.files.count = 2;
    index.now.files.item_size = sizeof files[0];
    index.later = text("?");
    return sink->accept(sink->host, one(&index, sizeof index));
}

/* Records of an earlier version: whatever lies behind their end reads as zero, here all after `ranks`. */
static int32_t smaller_records(const unshard_sink* sink) {
    unshard_index index = plain_index();
    memset(&index.files, 0xff, sizeof index - offsetof(unshard_index, files));
    return sink->accept(sink->host, one(&index, offsetof(unshard_index, files)));
}

static const struct {
    const char* name;
    int32_t (*act)(const unshard_sink* sink);
} scripts[] = {
    {"right", right},
    {"twice", twice},
    {"two records", two_records},
    {"no result", no_result},
    {"no reason", no_reason},
    {"empty reason", empty_reason},
    {"result then failure", result_then_failure},
    {"fails", fails},
    {"fails and succeeds", fails_and_succeeds},
    {"usage", usage},
    {"unknown failure", unknown_failure},
    {"bad dtype", bad_dtype},
    {"ignored refusal", ignored_refusal},
    {"bad rank", bad_rank},
    {"bad placement", bad_placement},
    {"bad spec", bad_spec},
    {"broken stream", broken_stream},
    {"broken stream with reason", broken_stream_with_reason},
    {"array without data", array_without_data},
    {"bad metadata", bad_metadata},
    {"metadata of another type", metadata_of_another_type},
    {"bigger records", bigger_records},
    {"smaller records", smaller_records},
};

static unshard_string input_of(unshard_array request) {
    unshard_request r;
    memcpy(&r, request.data, sizeof r);
    return r.input;
}

static int is(unshard_string s, const char* name) {
    return s.size == strlen(name) && memcmp(s.data, name, s.size) == 0;
}

static int32_t index_(unshard_array request, const unshard_sink* sink) {
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; ++i) {
        if (is(input_of(request), scripts[i].name)) return scripts[i].act(sink);
    }
    sink->fail(sink->host, text("no such script"), UNSHARD_FAILURE_ERROR);
    return 1;
}

static int32_t probe(unshard_array request, const unshard_sink* sink) {
    const unshard_string input = input_of(request);
    if (is(input, "sure")) return 100;
    if (is(input, "too sure")) return 101;
    if (is(input, "gives a result")) return right(sink);
    if (is(input, "fails")) {
        sink->fail(sink->host, text("model.toy: cannot be opened"), UNSHARD_FAILURE_ERROR);
        return -1;
    }
    return is(input, "no reason") ? -1 : 0;
}

static const unshard_reader table = {sizeof table, probe, index_};

const unshard_plugin_info unshard_plugin = {UNSHARD_ABI_MAGIC,
                                            UNSHARD_ABI_MAJOR,
                                            0,
                                            sizeof(unshard_plugin_info),
                                            UNSHARD_KIND_READER,
                                            0,
                                            "scripted",
                                            "1.0",
                                            "does what its input says",
                                            &table};
