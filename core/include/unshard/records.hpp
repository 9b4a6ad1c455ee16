// Values <-> ABI records, both ways, for both sides of the interface.
//
// Outgoing: C records point into the value that they were made from and into a Records object, which keeps their
// arrays; both must outlive their use. Incoming: every record is read through `for_each`, which honours the sender's
// item size, so that either side may be newer. Numbers that select something (an enum, a rank) are checked here;
// everything else by the engine's verify pass.
#pragma once

#include "unshard/abi.h"
#include "unshard/index.hpp"
#include "unshard/tools/json_file.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace unshard::abi {

/// A record that cannot be turned into a value: the other side's mistake, not the user's. No Error: its text needs the
/// name of the plugin in front.
struct RecordError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline unshard_string text(std::string_view s) {
    return {s.data(), s.size()};
}
inline std::string text(unshard_string s) {
    return s.size == 0 ? std::string() : std::string(s.data, s.size);
}

inline unshard_dims record(const Dims& dims) {
    unshard_dims r{};
    r.rank = dims.rank();
    std::copy(dims.begin(), dims.end(), r.values);
    return r;
}
inline Dims value(const unshard_dims& r) {
    if (r.rank > kMaxDims) throw RecordError(std::to_string(r.rank) + " dimensions, at most 8 are possible");
    return Dims(std::span(r.values, r.rank));
}

inline unshard_box record(const Box& box) {
    return {record(box.origin), record(box.extent)};
}
inline Box value(const unshard_box& r) {
    return {value(r.origin), value(r.extent)};
}

inline DType dtype(std::uint32_t code) {
    if (!is_dtype(code)) throw RecordError("dtype " + std::to_string(code) + " is unknown");
    return static_cast<DType>(code);
}

inline std::string json_text(const nlohmann::json& object) {
    try {
        return object.dump();
    } catch (const nlohmann::json::exception&) {
        throw Error("a text in options or metadata is not UTF-8");
    }
}
/// The object in a JSON text; an absent text is an empty object.
inline nlohmann::json json_object(unshard_string s) {
    if (s.size == 0) return nlohmann::json::object();
    try {
        nlohmann::json object = parse_json({s.data, s.size});
        if (object.is_object()) return object;
    } catch (const Error&) {
    }
    throw RecordError("options or metadata are not a JSON object");
}

template <class Record>
unshard_array one(const Record& record) {
    return {&record, 1, sizeof(Record)};
}

/// A stream that did not come to its end; whoever feeds it knows why.
struct StreamBroken : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// Owns the arrays and streams of outgoing records.
class Records {
public:
    /// One record for each value, made by `convert(value)`.
    template <class Values, class Convert>
    unshard_array array(const Values& values, Convert convert) {
        using Record = std::invoke_result_t<Convert, decltype(*values.begin())>;
        if (values.empty()) return {nullptr, 0, sizeof(Record)};
        const auto records = std::make_shared<std::vector<Record>>();
        records->reserve(values.size());
        for (const auto& v : values) records->push_back(convert(v));
        owned_.push_back(records);
        return {records->data(), records->size(), sizeof(Record)};
    }
    unshard_array strings(const std::vector<std::string>& values) {
        return array(values, [](const std::string& s) { return text(s); });
    }
    unshard_string own(std::string s) {
        const auto owned = std::make_shared<std::string>(std::move(s));
        owned_.push_back(owned);
        return text(*owned);
    }

    /// One record for each value, made by `convert(own, value)` when it is asked for. Values that may be changed are
    /// emptied once they were handed over. `values` must outlive this.
    template <class Values, class Convert>
    unshard_stream stream(Values& values, Convert convert) {
        const auto feed = std::make_shared<Feed<Values, Convert>>(values, std::move(convert));
        streams_.push_back(feed);
        return {feed.get(), &Feed<Values, Convert>::next};
    }

    /// Throws what stopped a stream.
    void rethrow() const {
        for (const auto& stream : streams_) {
            if (stream->failed) std::rethrow_exception(stream->failed);
        }
    }

private:
    struct FeedBase {
        std::exception_ptr failed;
    };

    template <class Values, class Convert>
    struct Feed;

    std::vector<std::shared_ptr<void>> owned_;
    std::vector<std::shared_ptr<FeedBase>> streams_;
};

template <class Values, class Convert>
struct Records::Feed : FeedBase {
    Feed(Values& values_, Convert convert_) : values(values_), convert(std::move(convert_)) {}

    static std::int32_t next(void* owner, unshard_array* batch) noexcept {
        Feed& feed = *static_cast<Feed*>(owner);
        try {
            *batch = feed.next_batch();
            return 0;
        } catch (...) {
            feed.failed = std::current_exception();
            return 1;
        }
    }

    unshard_array next_batch() {
        if constexpr (!std::is_const_v<Values>) {
            if (at > 0) values[at - 1] = {};
        }
        if (at == values.size()) return {nullptr, 0, sizeof record};
        own = Records();
        record = convert(own, std::as_const(values[at++]));
        return one(record);
    }

    Values& values;
    Convert convert;
    std::size_t at = 0;
    Records own;
    std::invoke_result_t<Convert, Records&, const typename Values::value_type&> record{};
};

/// Calls `use(record)` for each record of an array, whatever size the sender's records have.
template <class Record, class Use>
void for_each(const unshard_array& array, Use use) {
    if (array.count != 0 && (array.data == nullptr || array.item_size == 0)) {
        throw RecordError("an array of " + std::to_string(array.count) + " records has no data");
    }
    const auto* bytes = static_cast<const char*>(array.data);
    for (std::uint64_t i = 0; i < array.count; ++i) {
        Record r{};
        std::memcpy(&r, bytes + i * array.item_size, std::min<std::uint64_t>(sizeof r, array.item_size));
        use(r);
    }
}

/// Calls `use(record)` for each record of a stream.
template <class Record, class Use>
void for_each(const unshard_stream& stream, Use use) {
    while (stream.next != nullptr) {
        unshard_array batch{};
        if (stream.next(stream.owner, &batch) != 0) throw StreamBroken("its records broke off");
        if (batch.count == 0) return;
        for_each<Record>(batch, use);
    }
}

template <class Record, class Convert>
auto values(const unshard_array& array, Convert convert) {
    std::vector<std::invoke_result_t<Convert, const Record&>> result;
    if (array.data != nullptr) result.reserve(array.count);
    for_each<Record>(array, [&](const Record& r) { result.push_back(convert(r)); });
    return result;
}

inline std::vector<std::string> strings(const unshard_array& array) {
    return values<unshard_string>(array, [](const unshard_string& s) { return text(s); });
}

template <class Record>
Record only(const unshard_array& array) {
    if (array.count != 1) throw RecordError(std::to_string(array.count) + " records where one is due");
    Record result{};
    for_each<Record>(array, [&](const Record& r) { result = r; });
    return result;
}

inline unshard_array records(Records& own, const std::vector<Dropped>& dropped) {
    return own.array(dropped, [](const Dropped& d) { return unshard_dropped{text(d.name), text(d.why)}; });
}
inline std::vector<Dropped> dropped(const unshard_array& array) {
    return values<unshard_dropped>(array, [](const unshard_dropped& r) { return Dropped{text(r.name), text(r.why)}; });
}

inline unshard_encoding record(const Encoding& e) {
    return {text(e.name), e.block_elems, e.block_bytes};
}
inline Encoding value(const unshard_encoding& r) {
    return {text(r.name), r.block_elems, r.block_bytes};
}

}  // namespace unshard::abi
