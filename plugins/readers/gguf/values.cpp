#include "gguf/values.hpp"

#include "formats/gguf/format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace unshard::gguf {
namespace {

/// The limits of llama.cpp.
constexpr std::uint64_t kMostTextBytes = 1ULL << 30;
constexpr std::uint64_t kMostArrayElements = 1ULL << 30;
constexpr std::uint64_t kMostKeyBytes = 65535;

struct ValueTypeInfo {
    ValueType type;
    std::string_view name;
    std::uint64_t bytes;  ///< of one value, at least
};

constexpr std::array kValueTypes = {
    ValueTypeInfo{ValueType::u8, "u8", 1},         ValueTypeInfo{ValueType::i8, "i8", 1},
    ValueTypeInfo{ValueType::u16, "u16", 2},       ValueTypeInfo{ValueType::i16, "i16", 2},
    ValueTypeInfo{ValueType::u32, "u32", 4},       ValueTypeInfo{ValueType::i32, "i32", 4},
    ValueTypeInfo{ValueType::f32, "f32", 4},       ValueTypeInfo{ValueType::boolean, "bool", 1},
    ValueTypeInfo{ValueType::string, "string", 8}, ValueTypeInfo{ValueType::array, "array", 12},
    ValueTypeInfo{ValueType::u64, "u64", 8},       ValueTypeInfo{ValueType::i64, "i64", 8},
    ValueTypeInfo{ValueType::f64, "f64", 8},
};

const ValueTypeInfo& read_type(Cursor& cursor) {
    const auto code = cursor.number<std::uint32_t>();
    const auto* found = std::find_if(kValueTypes.begin(), kValueTypes.end(), [&](const ValueTypeInfo& t) {
        return static_cast<std::uint32_t>(t.type) == code;
    });
    if (found == kValueTypes.end()) throw Error(fmt::format("value type {} is unknown", code));
    return *found;
}

/// Texts such as tokens may be any bytes; JSON holds only UTF-8.
std::string as_utf8(const std::string& text) {
    using Json = nlohmann::json;
    return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

bool read_bool(Cursor& cursor) {
    const auto value = cursor.number<std::uint8_t>();
    if (value > 1) throw Error(fmt::format("a bool is {}", value));
    return value == 1;
}

nlohmann::json read_value(Cursor& cursor, ValueType type) {
    switch (type) {
        case ValueType::u8:
            return cursor.number<std::uint8_t>();
        case ValueType::i8:
            return cursor.number<std::int8_t>();
        case ValueType::u16:
            return cursor.number<std::uint16_t>();
        case ValueType::i16:
            return cursor.number<std::int16_t>();
        case ValueType::u32:
            return cursor.number<std::uint32_t>();
        case ValueType::i32:
            return cursor.number<std::int32_t>();
        case ValueType::u64:
            return cursor.number<std::uint64_t>();
        case ValueType::i64:
            return cursor.number<std::int64_t>();
        case ValueType::f32:
            return cursor.f32();
        case ValueType::f64:
            return cursor.f64();
        case ValueType::boolean:
            return read_bool(cursor);
        case ValueType::string:
            return as_utf8(cursor.text(kMostTextBytes, "a text"));
        case ValueType::array:
            break;
    }
    throw Error("an array of arrays, which GGUF does not have");
}

void skip_rest(Cursor& cursor, const ValueTypeInfo& type, std::uint64_t count) {
    if (type.type != ValueType::string) return cursor.skip(count * type.bytes);
    for (std::uint64_t i = 0; i < count; ++i) {
        const auto length = cursor.number<std::uint64_t>();
        cursor.check_count(length, 1, "bytes of a text");
        cursor.skip(length);
    }
}

void read_array(Cursor& cursor, KeyValue& result) {
    const ValueTypeInfo& type = read_type(cursor);
    result.type = "array of " + std::string(type.name);
    result.count = cursor.number<std::uint64_t>();
    if (result.count > kMostArrayElements) {
        throw Error(fmt::format("an array of {} elements, 2^30 are possible", result.count));
    }
    cursor.check_count(result.count, type.bytes, "elements of an array");
    const std::uint64_t kept = std::min(result.count, kArrayElementsKept);
    result.value = nlohmann::json::array();
    for (std::uint64_t i = 0; i < kept; ++i) result.value.push_back(read_value(cursor, type.type));
    skip_rest(cursor, type, result.count - kept);
}

}  // namespace

KeyValue read_key_value(Cursor& cursor) {
    KeyValue result;
    result.key = cursor.text(kMostKeyBytes, "a key");
    if (result.key.empty()) throw Error("a key is empty");
    result.offset = cursor.position();
    try {
        const ValueTypeInfo& type = read_type(cursor);
        result.type = type.name;
        if (type.type == ValueType::array) {
            read_array(cursor, result);
        } else {
            result.value = read_value(cursor, type.type);
        }
    } catch (const Error& e) {
        throw Error(fmt::format("key '{}': {}", as_utf8(result.key), e.what()));
    }
    result.bytes = cursor.position() - result.offset;
    return result;
}

}  // namespace unshard::gguf
