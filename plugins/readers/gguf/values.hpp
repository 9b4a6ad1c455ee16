// The values of a GGUF file's keys, to be shown: of a long array only the first elements are kept.
#pragma once

#include "gguf/cursor.hpp"

#include <nlohmann/json.hpp>

#include <string>

namespace unshard::gguf {

/// How many elements of an array are kept.
inline constexpr std::uint64_t kArrayElementsKept = 8;

struct KeyValue {
    std::string key;
    std::string type;      ///< "u32", "array of string"
    nlohmann::json value;  ///< of an array, its first elements. Texts are made UTF-8
    std::uint64_t count = 1;
    std::uint64_t offset = 0;  ///< of the whole value, bytes from the start of the file
    std::uint64_t bytes = 0;

    bool is_array() const { return value.is_array(); }
};

/// The value type and the value that stand at the cursor. Throws Error for types that are unknown, for arrays of arrays
/// and for what does not fit into the file.
KeyValue read_key_value(Cursor& cursor);

}  // namespace unshard::gguf
