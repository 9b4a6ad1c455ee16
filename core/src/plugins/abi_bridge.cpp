// The host's side of every call: pass records in, take the result through the sink, and turn whatever went wrong into
// an exception once the plugin's frames are gone.

#include "plugins/abi_bridge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>

namespace unshard {
namespace {

/// The plugin's table as far as it goes: members that an older plugin does not have are null.
template <class Table>
Table table_of(const PluginLibrary& library) {
    Table table{};
    const auto size = *static_cast<const std::uint64_t*>(library.info->table);
    std::memcpy(&table, library.info->table, std::min<std::uint64_t>(sizeof table, size));
    return table;
}

/// What a plugin said through the sink during one call. Makes no allocation of its own.
struct CallResult {
    unsigned results = 0;
    unsigned failures = 0;
    std::uint32_t failure = UNSHARD_FAILURE_ERROR;
    std::string message;
    bool is_broken = false;      ///< the result broke off
    std::exception_ptr refused;  ///< why the host did not take the result
    const Progress* progress = nullptr;
    std::mutex progress_mutex;
    std::exception_ptr stopped;  ///< what `progress` threw
};

void on_fail(void* host, unshard_string message, std::uint32_t failure) noexcept {
    CallResult& result = *static_cast<CallResult*>(host);
    if (++result.failures > 1) return;
    try {
        result.message = abi::text(message);
        result.failure = failure;
    } catch (...) {
        result.refused = std::current_exception();
    }
}

std::int32_t on_progress(void* host, std::uint64_t done, std::uint64_t total) noexcept {
    CallResult& result = *static_cast<CallResult*>(host);
    if (result.progress == nullptr) return 0;
    const std::lock_guard lock(result.progress_mutex);
    try {
        if (!result.stopped) (*result.progress)(done, total);
    } catch (...) {
        result.stopped = std::current_exception();
    }
    return result.stopped ? 1 : 0;
}

template <class Record, class Value>
struct RecordResult : CallResult {
    Value value;
};

template <class Record, class Value>
std::int32_t on_accept(void* host, unshard_array one_record) noexcept {
    // `host` is the CallResult of unshard_sink::host, as for on_fail.
    auto& received = static_cast<RecordResult<Record, Value>&>(*static_cast<CallResult*>(host));
    if (++received.results > 1) return 1;
    try {
        received.value = abi::value(abi::only<Record>(one_record));
        return 0;
    } catch (const abi::StreamBroken&) {
        received.is_broken = true;
        return 1;
    } catch (...) {
        received.refused = std::current_exception();
        return 1;
    }
}

std::int32_t on_unwanted_result(void* host, unshard_array) noexcept {
    ++static_cast<CallResult*>(host)->results;
    return 1;
}

/// As many ranks as shards and meshes name.
std::uint64_t ranks_named_in(const CheckpointIndex& index) {
    std::uint64_t ranks = 1;
    for (const SourceTensor& tensor : index.tensors) {
        for (const Shard& shard : tensor.shards) ranks = std::max(ranks, checked_add(shard.rank, 1));
    }
    for (const Mesh& mesh : index.meshes) {
        for (const std::uint64_t rank : mesh.ranks) ranks = std::max(ranks, checked_add(rank, 1));
    }
    return ranks;
}

/// One plugin, as errors name it, and the rules that its calls keep to.
class Caller {
public:
    explicit Caller(const PluginLibrary& library) : file_(library.file.string()) {}

    /// A call that gives a record. `call` gets the sink and returns what the plugin's function returned.
    template <class Record, class Value, class Call>
    Value result_of(const char* function, Call call, const Progress* progress = nullptr) const {
        RecordResult<Record, Value> received;
        received.progress = progress;
        const std::int32_t code = guarded(function, received, &on_accept<Record, Value>, call);
        check(function, received, code != 0);
        if (received.results == 0) fail_in_plugin(function, "returned success without a result");
        return std::move(received.value);
    }

    /// A call without a result. `is_failure` judges what it returned.
    template <class IsFailure, class Call>
    std::int32_t code_of(const char* function, IsFailure is_failure, Call call) const {
        CallResult result;
        const std::int32_t code = guarded(function, result, &on_unwanted_result, call);
        check(function, result, is_failure(code));
        if (result.results != 0) fail_in_plugin(function, "gave a result where none is due");
        return code;
    }

    [[noreturn]] void fail_in_plugin(const char* function, const std::string& what) const {
        throw Error(fmt::format("{}: {} {}: this is a mistake in the plugin, tell its author", file_, function, what));
    }

private:
    template <class Call>
    std::int32_t guarded(const char* function, CallResult& result, decltype(unshard_sink::accept) accept,
                         Call call) const {
        const unshard_sink sink{sizeof(unshard_sink), &result, accept, &on_fail, &on_progress};
        try {
            return call(&sink);
        } catch (...) {
            fail_in_plugin(function, "let an exception out");
        }
    }

    void check(const char* function, const CallResult& result, bool failed) const {
        if (result.stopped) std::rethrow_exception(result.stopped);
        if (result.results > 1)
            fail_in_plugin(function, fmt::format("gave {} results where one is due", result.results));
        if (result.refused) rethrow(function, result.refused);
        if (result.failures != 0 && !result.message.empty()) throw_message(function, result);
        if (result.failures != 0 || result.is_broken || failed) fail_in_plugin(function, "failed without saying why");
    }

    [[noreturn]] void rethrow(const char* function, const std::exception_ptr& refused) const {
        try {
            std::rethrow_exception(refused);
        } catch (const abi::RecordError& e) {
            fail_in_plugin(function, fmt::format("gave a result that is not valid: {}", e.what()));
        }
    }

    [[noreturn]] void throw_message(const char* function, const CallResult& result) const {
        if (result.failure == UNSHARD_FAILURE_USAGE) throw UsageError(result.message);
        if (result.failure != UNSHARD_FAILURE_UNEXPECTED) throw Error(result.message);
        throw Error(fmt::format("{}: {} was stopped by an exception: {}", file_, function, result.message));
    }

    std::string file_;
};

/// Makes a call that reads a stream of ours. When the stream broke off, that is why the call failed.
template <class Call>
auto fed_by(const abi::Records& own, Call call) {
    try {
        return call();
    } catch (...) {
        own.rethrow();
        throw;
    }
}

class BridgedReader : public Reader {
public:
    explicit BridgedReader(const PluginLibrary& library)
        : caller_(library), table_(table_of<unshard_reader>(library)) {}

    int probe(const Request& request) override {
        abi::Records own;
        const unshard_request r = abi::record(own, request);
        const std::int32_t score =
            caller_.code_of("probe", is_negative, [&](const unshard_sink* s) { return table_.probe(abi::one(r), s); });
        if (score > 100) caller_.fail_in_plugin("probe", fmt::format("returned {}, the most is 100", score));
        return score;
    }

    CheckpointIndex index(const Request& request) override {
        abi::Records own;
        const unshard_request r = abi::record(own, request);
        auto index = caller_.result_of<unshard_index, CheckpointIndex>(
            "index", [&](const unshard_sink* s) { return table_.index(abi::one(r), s); }, &progress);
        if (index.ranks == 0) index.ranks = ranks_named_in(index);
        return index;
    }

private:
    static bool is_negative(std::int32_t code) { return code < 0; }

    Caller caller_;
    unshard_reader table_;
};

class BridgedMerger : public Merger {
public:
    explicit BridgedMerger(const PluginLibrary& library)
        : caller_(library), table_(table_of<unshard_merger>(library)) {}

    Plan plan(const CheckpointIndex& index, const Request& request) override {
        abi::Records own;
        const unshard_request r = abi::record(own, request);
        const unshard_index i = abi::record(own, index);
        return fed_by(own, [&] {
            return caller_.result_of<unshard_plan, Plan>(
                "plan", [&](const unshard_sink* s) { return table_.plan(abi::one(r), abi::one(i), s); });
        });
    }

private:
    Caller caller_;
    unshard_merger table_;
};

class BridgedWriter : public Writer {
public:
    explicit BridgedWriter(const PluginLibrary& library)
        : caller_(library), table_(table_of<unshard_writer>(library)) {}
    BridgedWriter(const BridgedWriter&) = delete;
    BridgedWriter& operator=(const BridgedWriter&) = delete;
    ~BridgedWriter() override { release(); }

    Layout layout(const Plan& plan, const Request& request) override {
        release();
        abi::Records own;
        const unshard_request r = abi::record(own, request);
        const unshard_plan p = abi::record_without_copies(own, plan);
        return fed_by(own, [&] {
            return caller_.result_of<unshard_layout, Layout>(
                "layout", [&](const unshard_sink* s) { return table_.layout(abi::one(r), abi::one(p), s, &state_); });
        });
    }

    /// Called for every tile from many threads: nothing is allocated and nothing shared is written.
    void encode(std::uint32_t encoding, std::span<const float> values, std::uint64_t row_elems,
                std::span<std::byte> out) const override {
        if (table_.encode == nullptr) return Writer::encode(encoding, values, row_elems, out);
        const std::uint64_t rows = row_elems == 0 ? 0 : values.size() / row_elems;
        caller_.code_of("encode", is_not_zero, [&](const unshard_sink* s) {
            return table_.encode(state_, encoding, values.data(), rows, row_elems, out.data(), out.size(), s);
        });
    }

private:
    static bool is_not_zero(std::int32_t code) { return code != 0; }

    void release() {
        if (state_ != nullptr && table_.release != nullptr) table_.release(state_);
        state_ = nullptr;
    }

    Caller caller_;
    unshard_writer table_;
    void* state_ = nullptr;  ///< the plugin's, for what it laid out last
};

}  // namespace

std::unique_ptr<Reader> bridged_reader(const PluginLibrary& library) {
    return std::make_unique<BridgedReader>(library);
}

std::unique_ptr<Merger> bridged_merger(const PluginLibrary& library) {
    return std::make_unique<BridgedMerger>(library);
}

std::unique_ptr<Writer> bridged_writer(const PluginLibrary& library) {
    return std::make_unique<BridgedWriter>(library);
}

}  // namespace unshard
