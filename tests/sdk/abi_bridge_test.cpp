// Calls across the ABI: what comes through, and what is said when a plugin does not keep to the protocol.

#include "plugins/abi_bridge.hpp"
#include "plugins/plugin_loader.hpp"
#include "sample_values.hpp"
#include "support/catch.hpp"

#include <fmt/format.h>

#include <thread>

namespace unshard {
namespace {

const Plugins kPlugins({UNSHARD_BAD_PLUGIN_DIR});

std::string file_of(const std::string& reader) {
    return fmt::format("{}/unshard-reader-{}.so", UNSHARD_BAD_PLUGIN_DIR, reader);
}

/// What indexing or probing `input` with a reader of tests/sdk/bad_plugins comes to.
template <class Method>
std::string outcome(const std::string& reader, Method method, const std::string& input) {
    Request request;
    request.input = input;
    try {
        (kPlugins.reader(reader).get()->*method)(request);
    } catch (const UsageError& e) {
        return std::string("usage: ") + e.what();
    } catch (const Error& e) {
        return e.what();
    }
    return "success";
}
std::string index_outcome(const std::string& reader, const std::string& input) {
    return outcome(reader, &Reader::index, input);
}
std::string probe_outcome(const std::string& reader, const std::string& input) {
    return outcome(reader, &Reader::probe, input);
}

std::string mistake(const std::string& reader, const std::string& what) {
    return fmt::format("{}: {}: this is a mistake in the plugin, tell its author", file_of(reader), what);
}

TEST_CASE("a plugin's own errors reach the user as they are") {
    CHECK(index_outcome("scripted", "right") == "success");
    CHECK(index_outcome("scripted", "fails") == "model.toy: ends early: copy it again");
    CHECK(index_outcome("scripted", "fails and succeeds") == "model.toy: ends early: copy it again");
    CHECK(index_outcome("scripted", "usage") == "usage: unknown option 'x': there are none");
    CHECK(index_outcome("scripted", "unknown failure") == "of a kind from the future");
    CHECK(probe_outcome("scripted", "fails") == "model.toy: cannot be opened");
}

TEST_CASE("the glue turns exceptions into messages") {
    for (const auto method : {&index_outcome, &probe_outcome}) {
        CHECK(method("throwing", "nothing") == "success");
        CHECK(method("throwing", "error") == "model.toy: ends early: copy it again");
        CHECK(method("throwing", "usage error") == "usage: option 'x': 1 has the wrong type or range");
    }
}

TEST_CASE("an exception that a plugin did not mean to throw is reported under its file") {
    CHECK(index_outcome("throwing", "std::exception") ==
          file_of("throwing") + ": index was stopped by an exception: a text");
    CHECK(probe_outcome("throwing", "std::exception") ==
          file_of("throwing") + ": probe was stopped by an exception: a text");
    CHECK(index_outcome("throwing", "std::bad_alloc") == "out of memory");
    CHECK(index_outcome("throwing", "int") ==
          file_of("throwing") + ": index was stopped by an exception: not a std::exception");
}

TEST_CASE("an exception that leaves a plugin's C functions is stopped") {
    CHECK(index_outcome("leaking", "") == mistake("leaking", "index let an exception out"));
    CHECK(probe_outcome("leaking", "") == mistake("leaking", "probe let an exception out"));
}

TEST_CASE("results that do not keep to the protocol are refused") {
    CHECK(index_outcome("scripted", "twice") == mistake("scripted", "index gave 2 results where one is due"));
    CHECK(index_outcome("scripted", "two records") ==
          mistake("scripted", "index gave a result that is not valid: 2 records where one is due"));
    CHECK(index_outcome("scripted", "no result") == mistake("scripted", "index returned success without a result"));
    for (const std::string script : {"no reason", "empty reason", "result then failure"}) {
        CHECK(index_outcome("scripted", script) == mistake("scripted", "index failed without saying why"));
    }
}

TEST_CASE("a stream that breaks off gives the plugin's reason, or blames the plugin") {
    CHECK(index_outcome("scripted", "broken stream") == mistake("scripted", "index failed without saying why"));
    CHECK(index_outcome("scripted", "broken stream with reason") == "model.toy: its list of tensors ends early");
}

TEST_CASE("probes that do not keep to the protocol are refused") {
    CHECK(probe_outcome("scripted", "too sure") == mistake("scripted", "probe returned 101, the most is 100"));
    CHECK(probe_outcome("scripted", "no reason") == mistake("scripted", "probe failed without saying why"));
    CHECK(probe_outcome("scripted", "gives a result") == mistake("scripted", "probe gave a result where none is due"));
}

TEST_CASE("a probe's score comes through") {
    const std::unique_ptr<Reader> reader = kPlugins.reader("scripted");
    Request request;
    CHECK(reader->probe(request) == 0);
    request.input = "sure";
    CHECK(reader->probe(request) == 100);
}

TEST_CASE("records that make no sense are refused") {
    const auto check = [](const std::string& script, const std::string& what) {
        CHECK(index_outcome("scripted", script) ==
              mistake("scripted", "index gave a result that is not valid: " + what));
    };
    check("bad dtype", "dtype 99 is unknown");
    check("ignored refusal", "dtype 99 is unknown");
    check("bad rank", "9 dimensions, at most 8 are possible");
    check("bad placement", "placement kind 5 is unknown");
    check("bad spec", "a shard has spec 0 of 0");
    check("array without data", "an array of 3 records has no data");
    check("bad metadata", "options or metadata are not a JSON object");
    check("metadata of another type", "options or metadata are not a JSON object");
}

TEST_CASE("records of a plugin of a later minor version are read as far as they are known") {
    Request request;
    request.input = "bigger records";
    CheckpointIndex expected;
    expected.format = "scripted";
    expected.ranks = 1;
    expected.files = {{"a.toy", 10}, {"b.toy", 20}};
    CHECK(kPlugins.reader("scripted")->index(request) == expected);
}

TEST_CASE("records of an earlier version are read with zeros behind their end") {
    Request request;
    request.input = "smaller records";
    CheckpointIndex expected;
    expected.format = "scripted";
    expected.ranks = 1;
    CHECK(kPlugins.reader("scripted")->index(request) == expected);
}

// Plugins of this very program, so that the test sees both sides of a call.

struct EchoReader : Reader {
    int probe(const Request& request) override { return request == test::sample_request() ? 7 : 0; }
    CheckpointIndex index(const Request& request) override {
        if (request != test::sample_request()) throw Error("another request came");
        for (std::uint64_t file = 1; file <= 3; ++file) progress(file, 3);
        return test::sample_index();
    }
};

struct EchoMerger : Merger {
    Plan plan(const CheckpointIndex& index, const Request& request) override {
        if (index != test::sample_index() || request != test::sample_request()) throw Error("other values came");
        return test::sample_plan();
    }
};

struct EchoWriter : Writer {
    Layout layout(const Plan& plan, const Request& request) override {
        if (request != test::sample_request()) throw Error("another request came");
        for (const PlannedTensor& t : plan.tensors) {
            if (!t.copies.empty() || !t.replicas.empty()) throw Error("copies came");
        }
        Plan expected = test::sample_plan();
        for (PlannedTensor& t : expected.tensors) t.copies.clear(), t.replicas.clear();
        if (plan != expected) throw Error("another plan came");
        sum_ = 1;
        return test::sample_layout();
    }
    void encode(std::uint32_t encoding, std::span<const float> values, std::uint64_t row_elems,
                std::span<std::byte> out) const override {
        if (encoding != sum_) throw Error("encoding " + std::to_string(encoding) + " is unknown to 'echo'");
        for (std::size_t row = 0; row < out.size(); ++row) {
            float sum = 0;
            for (const float v : values.subspan(row * row_elems, row_elems)) sum += v;
            out[row] = static_cast<std::byte>(sum);
        }
    }

private:
    std::uint32_t sum_ = 0;  ///< the encoding that is a sum; set by `layout`
};

template <class Plugin>
PluginLibrary library_of() {
    static constexpr unshard_plugin_info info = {UNSHARD_ABI_MAGIC,
                                                 UNSHARD_ABI_MAJOR,
                                                 0,
                                                 sizeof(unshard_plugin_info),
                                                 abi::Table<Plugin>::kind,
                                                 0,
                                                 "echo",
                                                 "1.0",
                                                 "",
                                                 &abi::Table<Plugin>::table};
    return {"echo.so", &info, ""};
}

TEST_CASE("a reader gets the request and gives its index, whole") {
    const auto reader = bridged_reader(library_of<EchoReader>());
    CHECK(reader->probe(test::sample_request()) == 7);
    CHECK(reader->index(test::sample_request()) == test::sample_index());
}

TEST_CASE("a reader says how far it is, and ends when the host wants to stop") {
    const auto reader = bridged_reader(library_of<EchoReader>());
    std::vector<std::uint64_t> seen;
    reader->progress = [&](std::uint64_t done, std::uint64_t total) {
        seen.insert(seen.end(), {done, total});
        if (done == 2) throw Error("interrupted");
    };
    CHECK_THROWS_WITH(reader->index(test::sample_request()), "interrupted");
    CHECK(seen == std::vector<std::uint64_t>{1, 3, 2, 3});
}

TEST_CASE("a merger gets index and request and gives its plan, whole") {
    CHECK(bridged_merger(library_of<EchoMerger>())->plan(test::sample_index(), test::sample_request()) ==
          test::sample_plan());
}

TEST_CASE("a writer gets the plan without its copies and gives its layout, whole") {
    CHECK(bridged_writer(library_of<EchoWriter>())->layout(test::sample_plan(), test::sample_request()) ==
          test::sample_layout());
}

TEST_CASE("rows are encoded on many threads at once") {
    const auto writer = bridged_writer(library_of<EchoWriter>());
    writer->layout(test::sample_plan(), test::sample_request());
    std::vector<std::vector<std::byte>> results(8, std::vector<std::byte>(3));
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < results.size(); ++i) {
            threads.emplace_back([&, i] {
                const auto f = static_cast<float>(i);
                for (int n = 0; n < 100; ++n) writer->encode(1, std::vector<float>{f, f, f, 1, 2, 3}, 2, results[i]);
            });
        }
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
        CHECK(results[i] == std::vector{std::byte(2 * i), std::byte(i + 1), std::byte(5)});
    }
}

TEST_CASE("a failure to encode is an error like any other") {
    std::vector<std::byte> out(1);
    const std::vector<float> values(2);
    const auto writer = bridged_writer(library_of<EchoWriter>());
    CHECK_THROWS_WITH(writer->encode(1, values, 2, out), "nothing was laid out that could be encoded");
    writer->layout(test::sample_plan(), test::sample_request());
    CHECK_THROWS_WITH(writer->encode(0, values, 2, out), "encoding 0 is unknown to 'echo'");
    CHECK_THROWS_WITH(kPlugins.writer("no_encode")->encode(0, values, 2, out),
                      "encoding 0 is not one that this writer makes");
}

TEST_CASE("a plugin understands the larger records of a later host") {
    abi::Records own;
    const Request sample = test::sample_request();
    struct {
        unshard_request now;
        std::uint64_t later = ~0ULL;
    } request{abi::record(own, sample)};
    int failures = 0;
    const unshard_sink sink{sizeof(unshard_sink), &failures, nullptr,
                            [](void* host, unshard_string, std::uint32_t) { ++*static_cast<int*>(host); }, nullptr};
    CHECK(abi::Table<EchoReader>::table.probe({&request, 1, sizeof request}, &sink) == 7);
    CHECK(failures == 0);
}

TEST_CASE("a plugin that cannot make sense of the host's records names itself") {
    CheckpointIndex index;
    index.tensors.push_back({"t", static_cast<DType>(1000), {}, {}});
    CHECK_THROWS_WITH(bridged_merger(library_of<EchoMerger>())->plan(index, Request{}),
                      "echo.so: plan was stopped by an exception: dtype 1000 is unknown");
}

}  // namespace
}  // namespace unshard
