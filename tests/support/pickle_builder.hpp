// An assembler for pickles: each function gives the opcodes that push one value, so that values nest as calls do.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace unshard::test {

/// The low `bytes` bytes of a number, little-endian.
inline std::string le(std::uint64_t value, int bytes) {
    std::string text;
    for (int i = 0; i < bytes; ++i) text += i < 8 ? static_cast<char>(value >> (8 * i)) : '\0';
    return text;
}

namespace pickle {

using Code = std::string;
using Codes = std::vector<Code>;

/// A whole pickle that holds one value.
inline std::string file(const Code& value) {
    return "\x80\x02" + value + ".";
}

inline Code none() {
    return "N";
}
inline Code boolean(bool value) {
    return value ? "\x88" : "\x89";
}
inline Code integer(std::int64_t value) {
    return "\x8a\x08" + le(static_cast<std::uint64_t>(value), 8);
}
inline Code text(std::string_view value) {
    return "X" + le(value.size(), 4) + std::string(value);
}

inline Code join(const Codes& items) {
    Code code;
    for (const Code& item : items) code += item;
    return code;
}
inline Code tuple(const Codes& items) {
    return "(" + join(items) + "t";
}
inline Code list(const Codes& items) {
    return "](" + join(items) + "e";
}
inline Code integers(const std::vector<std::int64_t>& values) {
    Codes items;
    for (const std::int64_t value : values) items.push_back(integer(value));
    return tuple(items);
}

using Items = std::vector<std::pair<std::string, Code>>;

/// What SETITEMS adds to the mapping before it.
inline Code set_items(const Items& items) {
    Code code = "(";
    for (const auto& [key, value] : items) code += text(key) + value;
    return code + "u";
}
inline Code dict(const Items& items) {
    return "}" + set_items(items);
}

/// A class or function, e.g. "torch.Size": the last dot parts module and name.
inline Code global(const std::string& name) {
    const std::size_t dot = name.rfind('.');
    return "c" + name.substr(0, dot) + "\n" + name.substr(dot + 1) + "\n";
}
inline Code call(const std::string& function, const Codes& args) {
    return global(function) + tuple(args) + "R";
}
inline Code object(const std::string& type, const Codes& args = {}) {
    return global(type) + tuple(args) + "\x81";
}
/// An object with a state.
inline Code built(const std::string& type, const Items& state) {
    return object(type) + dict(state) + "b";
}
inline Code persistent(const Code& id) {
    return id + "Q";
}

/// Memoizes the value before it; `get` pushes it again.
inline Code put(std::uint8_t index) {
    return "q" + le(index, 1);
}
inline Code get(std::uint8_t index) {
    return "h" + le(index, 1);
}

}  // namespace pickle
}  // namespace unshard::test
