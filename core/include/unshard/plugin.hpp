// For plugin authors: derive one class from Reader, Merger or Writer and name it once.
//
//     class ToyReader : public unshard::Reader { ... };
//     UNSHARD_PLUGIN(ToyReader, "toy", "1.0", "reads toy checkpoints")
//
// Methods throw unshard::Error (UsageError for bad options); the text reaches the user as it is. Any other exception is
// reported as the plugin's own trouble. An object is made anew for every call; only a writer's lives on while what it
// laid out is written.
#pragma once

#include "unshard/index_records.hpp"
#include "unshard/layout_records.hpp"
#include "unshard/plan_records.hpp"
#include "unshard/request_records.hpp"
#include "unshard/tools/checked.hpp"
#include "unshard/tools/json_file.hpp"

#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string_view>

namespace unshard {

/// Finds out what a checkpoint holds. Reads headers and pickles, never tensor bytes.
class Reader {
public:
    virtual ~Reader() = default;
    /// How sure this reader is that it can read `request.input`: 0 (not mine) to 100. Cheap, and quiet when not mine.
    virtual int probe(const Request& request) = 0;
    virtual CheckpointIndex index(const Request& request) = 0;

    Progress progress = [](std::uint64_t, std::uint64_t) {};  ///< for `index` to call
};

/// Decides how shards become whole tensors. A pure function of the index and the options.
class Merger {
public:
    virtual ~Merger() = default;
    virtual Plan plan(const CheckpointIndex& index, const Request& request) = 0;
};

/// Decides files, headers and places. The tensors of `plan` carry names, types and shapes, no copies.
class Writer {
public:
    virtual ~Writer() = default;
    virtual Layout layout(const Plan& plan, const Request& request) = 0;
    /// Encodes rows of `row_elems` values each into `out`, for an encoding that no DType is called; `encoding` is its
    /// number in Layout::encodings. The object is the one that made the layout. Called from several threads at once.
    virtual void encode(std::uint32_t encoding, std::span<const float> values, std::uint64_t row_elems,
                        std::span<std::byte> out) const {
        (void)values, (void)row_elems, (void)out;
        throw Error("encoding " + std::to_string(encoding) + " is not one that this writer makes");
    }
};

namespace abi {

/// Leaves a plugin's code when the host wants to stop.
struct Stopped {};

/// Runs a plugin's code; an exception becomes a call of the sink's `fail` and `failed` as the result.
template <class Body>
std::int32_t guarded(const unshard_sink* sink, std::int32_t failed, Body body) noexcept {
    try {
        return body();
    } catch (const Stopped&) {
        return failed;
    } catch (const UsageError& e) {
        sink->fail(sink->host, text(std::string_view(e.what())), UNSHARD_FAILURE_USAGE);
    } catch (const Error& e) {
        sink->fail(sink->host, text(std::string_view(e.what())), UNSHARD_FAILURE_ERROR);
    } catch (const std::filesystem::filesystem_error& e) {
        sink->fail(sink->host, text(error_text(e)), UNSHARD_FAILURE_ERROR);
    } catch (const std::bad_alloc&) {
        sink->fail(sink->host, text(std::string_view("out of memory")), UNSHARD_FAILURE_ERROR);
    } catch (const std::exception& e) {
        sink->fail(sink->host, text(std::string_view(e.what())), UNSHARD_FAILURE_UNEXPECTED);
    } catch (...) {
        sink->fail(sink->host, text(std::string_view("not a std::exception")), UNSHARD_FAILURE_UNEXPECTED);
    }
    return failed;
}

/// Converts a result and hands it to the host.
template <class Value>
std::int32_t deliver(const unshard_sink* sink, Value value) {
    Records own;
    const auto r = record(own, value);
    const std::int32_t code = sink->accept(sink->host, one(r));
    own.rethrow();
    return code;
}

inline Request request_of(const unshard_array& array) {
    return value(only<unshard_request>(array));
}

template <class Plugin>
struct Table {
    static_assert(sizeof(Plugin) == 0, "UNSHARD_PLUGIN takes a class derived from Reader, Merger or Writer");
};

template <class Plugin>
    requires std::is_base_of_v<Reader, Plugin>
struct Table<Plugin> {
    static constexpr std::uint32_t kind = UNSHARD_KIND_READER;
    static constexpr std::uint32_t minor = 0;  ///< of the oldest host that understands all of it
    static constexpr unshard_reader table = {
        sizeof(unshard_reader),
        [](unshard_array request, const unshard_sink* sink) -> std::int32_t {
            return guarded(sink, -1, [&] { return Plugin().probe(request_of(request)); });
        },
        [](unshard_array request, const unshard_sink* sink) -> std::int32_t {
            return guarded(sink, 1, [&] {
                Plugin plugin;
                plugin.progress = [sink](std::uint64_t done, std::uint64_t total) {
                    if (sink->progress(sink->host, done, total) != 0) throw Stopped();
                };
                return deliver(sink, plugin.index(request_of(request)));
            });
        },
    };
};

template <class Plugin>
    requires std::is_base_of_v<Merger, Plugin>
struct Table<Plugin> {
    static constexpr std::uint32_t kind = UNSHARD_KIND_MERGER;
    static constexpr std::uint32_t minor = 0;
    static constexpr unshard_merger table = {
        sizeof(unshard_merger),
        [](unshard_array request, unshard_array index, const unshard_sink* sink) -> std::int32_t {
            return guarded(sink, 1, [&] {
                return deliver(sink, Plugin().plan(value(only<unshard_index>(index)), request_of(request)));
            });
        },
    };
};

template <class Plugin>
    requires std::is_base_of_v<Writer, Plugin>
struct Table<Plugin> {
    static constexpr std::uint32_t kind = UNSHARD_KIND_WRITER;
    static constexpr std::uint32_t minor = 0;
    static constexpr unshard_writer table = {
        sizeof(unshard_writer),
        [](unshard_array request, unshard_array plan, const unshard_sink* sink, void** state) -> std::int32_t {
            return guarded(sink, 1, [&] {
                auto writer = std::make_unique<Plugin>();
                Layout layout = writer->layout(value(only<unshard_plan>(plan)), request_of(request));
                *state = writer.release();
                return deliver(sink, std::move(layout));
            });
        },
        [](const void* state, std::uint32_t encoding, const float* values, std::uint64_t rows, std::uint64_t row_elems,
           void* out, std::uint64_t out_bytes, const unshard_sink* sink) -> std::int32_t {
            return guarded(sink, 1, [&] {
                if (state == nullptr) throw Error("nothing was laid out that could be encoded");
                static_cast<const Plugin*>(state)->encode(encoding, {values, checked_mul(rows, row_elems)}, row_elems,
                                                          {static_cast<std::byte*>(out), out_bytes});
                return 0;
            });
        },
        [](void* state) { delete static_cast<Plugin*>(state); },
    };
};

}  // namespace abi
}  // namespace unshard

/// Exports a class derived from Reader, Merger or Writer as this shared object's plugin. Once, outside any namespace.
#define UNSHARD_PLUGIN(Class, name, version, summary)                                                   \
    extern "C" constinit const unshard_plugin_info unshard_plugin = {UNSHARD_ABI_MAGIC,                 \
                                                                     UNSHARD_ABI_MAJOR,                 \
                                                                     unshard::abi::Table<Class>::minor, \
                                                                     sizeof(unshard_plugin_info),       \
                                                                     unshard::abi::Table<Class>::kind,  \
                                                                     0,                                 \
                                                                     name,                              \
                                                                     version,                           \
                                                                     summary,                           \
                                                                     &unshard::abi::Table<Class>::table};
