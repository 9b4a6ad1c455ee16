#include "formats/gguf/key_values.hpp"

#include <algorithm>

namespace unshard::gguf {
namespace {

template <class Entries>
auto find_entry(Entries& entries, std::string_view key) {
    return std::find_if(entries.begin(), entries.end(), [&](const auto& entry) { return entry.first == key; });
}

bool is_empty(const Value& value) {
    return std::visit(
        [](const auto& v) {
            if constexpr (requires { v.empty(); }) return v.empty();
            return false;
        },
        value);
}

}  // namespace

void KeyValues::set(std::string_view key, Value value) {
    if (is_empty(value)) return remove(key);
    const auto found = find_entry(entries_, key);
    if (found == entries_.end()) {
        entries_.emplace_back(key, std::move(value));
    } else {
        found->second = std::move(value);
    }
}

void KeyValues::remove(std::string_view key) {
    std::erase_if(entries_, [&](const auto& entry) { return entry.first == key; });
}

const Value* KeyValues::find(std::string_view key) const {
    const auto found = find_entry(entries_, key);
    return found == entries_.end() ? nullptr : &found->second;
}

std::uint32_t KeyValues::count(std::string_view key) const {
    const Value* value = find(key);
    const auto* number = value ? std::get_if<std::uint32_t>(value) : nullptr;
    return number ? *number : 0;
}

}  // namespace unshard::gguf
