// The metadata of a GGUF file: keys with typed values, in the order in which they stand in the file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace unshard::gguf {

/// The alternatives are the value types that are written. llama.cpp compares the stored type exactly, so a count given
/// as another integer type is refused there.
using Value = std::variant<std::uint16_t, std::uint32_t, std::int32_t, float, bool, std::string,
                           std::vector<std::int32_t>, std::vector<float>, std::vector<bool>, std::vector<std::string>>;

class KeyValues {
public:
    /// Replaces the value when the key is there. An empty string or array takes the key away: gguf-py writes none.
    void set(std::string_view key, Value value);
    void remove(std::string_view key);

    /// Null when the key is not there.
    const Value* find(std::string_view key) const;
    /// The value as a count; 0 when the key is not there or is no u32.
    std::uint32_t count(std::string_view key) const;

    const std::vector<std::pair<std::string, Value>>& entries() const { return entries_; }
    friend bool operator==(const KeyValues&, const KeyValues&) = default;

private:
    std::vector<std::pair<std::string, Value>> entries_;
};

}  // namespace unshard::gguf
