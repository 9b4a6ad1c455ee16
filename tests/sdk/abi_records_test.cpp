// Values through records and back, and records of other versions.

#include "sample_values.hpp"
#include "support/catch.hpp"
#include "unshard/index_records.hpp"
#include "unshard/layout_records.hpp"
#include "unshard/plan_records.hpp"
#include "unshard/request_records.hpp"

#include <cstring>

namespace unshard {
namespace {

template <class Value>
Value round_trip(const Value& value) {
    abi::Records own;
    const auto record = abi::record(own, value);
    return abi::value(record);
}

/// A record of a later minor version.
template <class Record>
struct Grown {
    Record now;
    std::uint64_t later[3] = {~0ULL, ~0ULL, ~0ULL};
};

TEST_CASE("an index comes back from its record as it was") {
    CHECK(round_trip(test::sample_index()) == test::sample_index());
}

TEST_CASE("an empty index comes back from its record as it was") {
    CHECK(round_trip(CheckpointIndex{}) == CheckpointIndex{});
}

TEST_CASE("a plan comes back from its record as it was") {
    CHECK(round_trip(test::sample_plan()) == test::sample_plan());
    CHECK(round_trip(Plan{}) == Plan{});
}

TEST_CASE("a layout comes back from its record as it was") {
    CHECK(round_trip(test::sample_layout()) == test::sample_layout());
    CHECK(round_trip(Layout{}) == Layout{});
}

TEST_CASE("a request comes back from its record as it was") {
    CHECK(round_trip(test::sample_request()) == test::sample_request());
    CHECK(round_trip(Request{}) == Request{});
}

TEST_CASE("a scalar's shape and a shape that is not stated stay two things") {
    CheckpointIndex index;
    index.tensors.push_back({"scalar", DType::i64, Dims(), {}});
    index.tensors.push_back({"unstated", DType::i64, std::nullopt, {}});
    CHECK(round_trip(index) == index);
}

TEST_CASE("every dtype and every placement kind has a number in records") {
    CheckpointIndex index;
    for (const DTypeInfo& d : kDTypes) index.tensors.push_back({std::string(d.name), d.dtype, {}, {}});
    ShardSpec spec;
    for (const auto kind : {PlacementKind::replicate, PlacementKind::shard, PlacementKind::strided_shard,
                            PlacementKind::partial_sum, PlacementKind::partial_avg}) {
        spec.placements.push_back({kind, 3, 5});
    }
    index.tensors.front().shards.push_back({.spec = spec, .crc32 = {}});
    CHECK(round_trip(index) == index);
}

TEST_CASE("names may hold zero bytes and any UTF-8") {
    Plan plan;
    plan.warnings = {std::string("a\0b", 3), "名前", ""};
    CHECK(round_trip(plan) == plan);
}

TEST_CASE("records of a later version are read as far as they are known") {
    Grown<unshard_dropped> items[2] = {{{abi::text("a"), abi::text("because")}}, {{abi::text("b"), abi::text("so")}}};
    const std::vector<Dropped> expected = {{"a", "because"}, {"b", "so"}};
    CHECK(abi::dropped({items, 2, sizeof items[0]}) == expected);
}

TEST_CASE("members that an earlier version's record does not have read as zero") {
    const Placement placement{PlacementKind::strided_shard, 1, 4};
    unshard_placement record{static_cast<std::uint32_t>(placement.kind), placement.dim, placement.split_factor};
    const auto read = abi::only<unshard_placement>({&record, 1, offsetof(unshard_placement, split_factor)});
    CHECK(abi::value(read) == Placement{PlacementKind::strided_shard, 1, 0});
}

TEST_CASE("records need not be aligned") {
    char bytes[1 + sizeof(unshard_source_file)];
    const SourceFile file{"model.toy", 7};
    const unshard_source_file record = abi::record(file);
    std::memcpy(bytes + 1, &record, sizeof record);
    const auto read = abi::only<unshard_source_file>({bytes + 1, 1, sizeof record});
    CHECK(abi::text(read.path) == "model.toy");
    CHECK(read.bytes == 7);
}

TEST_CASE("source files of ABI 1.0 are not packed, a packing that is not known is refused") {
    const SourceFile file{"model.toy", 7, Packed{Packed::Format::zstd, 1, 2, 3}};
    unshard_source_file record = abi::record(file);
    CHECK(abi::value(record) == file);
    const auto old = abi::only<unshard_source_file>({&record, 1, offsetof(unshard_source_file, packing)});
    CHECK(abi::value(old) == SourceFile{"model.toy", 7});
    record.packing = 2;
    CHECK_THROWS_WITH(abi::value(record), "packing 2 is unknown");
}

TEST_CASE("an array without data is refused") {
    const std::uint64_t number = 1;
    CHECK_THROWS_WITH(abi::strings({nullptr, 2, 16}), "an array of 2 records has no data");
    CHECK_THROWS_WITH(abi::strings({&number, 2, 0}), "an array of 2 records has no data");
    CHECK(abi::strings({nullptr, 0, 0}).empty());
}

TEST_CASE("one record where one is due is all that is taken") {
    const unshard_dropped items[2] = {};
    CHECK_THROWS_WITH(abi::only<unshard_dropped>({items, 2, sizeof items[0]}), "2 records where one is due");
    CHECK_THROWS_WITH(abi::only<unshard_dropped>({items, 0, sizeof items[0]}), "0 records where one is due");
}

TEST_CASE("numbers that select nothing are refused") {
    unshard_dims dims{};
    dims.rank = 9;
    CHECK_THROWS_AS(abi::value(dims), abi::RecordError);
    CHECK_THROWS_WITH(abi::value(dims), "9 dimensions, at most 8 are possible");
    CHECK_THROWS_WITH(abi::dtype(21), "dtype 21 is unknown");
    CHECK_THROWS_WITH(abi::value(unshard_placement{5, 0, 1}), "placement kind 5 is unknown");
}

TEST_CASE("an axis that does not fit 32 bits does not become another one") {
    unshard_placed placed{};
    placed.axes.rank = 1;
    placed.axes.values[0] = 1ULL << 32;
    CHECK_THROWS_WITH(abi::value(placed), "axis 4294967296, the highest possible is 7");
}

TEST_CASE("options and metadata that are no JSON object are refused") {
    for (const char* const bad : {"{", "[]", "1", "null", "{\"a\":1} x", "\xff"}) {
        CHECK_THROWS_WITH(abi::json_object(abi::text(std::string_view(bad))),
                          "options or metadata are not a JSON object");
    }
    CHECK(abi::json_object({nullptr, 0}) == nlohmann::json::object());
}

TEST_CASE("a text that is not UTF-8 cannot be an option") {
    Request request;
    request.options["rules"] = "\xff";
    abi::Records own;
    CHECK_THROWS_AS(abi::record(own, request), Error);
    CHECK_THROWS_WITH(abi::record(own, request), "a text in options or metadata is not UTF-8");
}

}  // namespace
}  // namespace unshard
