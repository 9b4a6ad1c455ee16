// JSON from files, as Python writes it. Everything of the kind comes in through here: bounded in size and depth, in
// linear time, with one line for an error.
#pragma once

#include "unshard/tools/input_file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace unshard {

/// Deeper than anything that describes a model, far from what recursion cannot bear.
inline constexpr std::size_t kMaxJsonDepth = 100;

/// The most that a file of settings takes: config.json and its like have some KiB.
inline constexpr std::uint64_t kMaxSettingsBytes = 16 << 20;
/// The most that a vocabulary takes: tokenizer.json of 256,000 tokens has some 30 MiB.
inline constexpr std::uint64_t kMaxVocabularyBytes = 256 << 20;

/// A value takes up to some 300 bytes of memory, however few it takes in the file ("[],"): so many bytes of a file's
/// limit make room for one.
inline constexpr std::uint64_t kJsonBytesPerValue = 64;
inline constexpr std::uint64_t kMaxJsonValues = kMaxVocabularyBytes / kJsonBytesPerValue;

/// Python's json module writes NaN, Infinity and -Infinity, which JSON does not have: they become null here. Throws
/// Error when values are nested too deep or too many.
inline std::string plain_json(std::string_view text, std::uint64_t max_values = kMaxJsonValues) {
    static constexpr std::string_view kConstants[] = {"-Infinity", "Infinity", "NaN"};
    std::string result;
    result.reserve(text.size());
    bool in_string = false;
    std::size_t depth = 0;
    std::uint64_t values = 0;
    for (std::size_t i = 0; i < text.size();) {
        std::size_t length = 1;
        if (in_string && text[i] == '\\') {
            length = std::min<std::size_t>(2, text.size() - i);
        } else if (text[i] == '"') {
            in_string = !in_string;
        } else if (!in_string) {
            if ((text[i] == '{' || text[i] == '[') && ++depth > kMaxJsonDepth) {
                throw Error("values are nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
            }
            if ((text[i] == '}' || text[i] == ']') && depth > 0) --depth;
            if ((text[i] == ',' || text[i] == '{' || text[i] == '[') && ++values > max_values) {
                throw Error("more than " + std::to_string(max_values) + " values are too many for JSON of its kind");
            }
            for (const std::string_view constant : kConstants) {
                if (text.substr(i, constant.size()) != constant) continue;
                length = constant.size();
                break;
            }
        }
        result += length > 2 ? "null" : text.substr(i, length);
        i += length;
    }
    return result;
}

/// Throws Error: where it is no JSON and why, without the text that is wrong, which may be of any length.
inline nlohmann::json parse_json(std::string_view text, std::uint64_t max_values = kMaxJsonValues) {
    const std::string plain = plain_json(text, max_values);
    try {
        return nlohmann::json::parse(plain);
    } catch (const nlohmann::json::parse_error& e) {
        const auto end = plain.begin() + static_cast<std::ptrdiff_t>(std::min(e.byte, plain.size()));
        throw Error("not valid JSON at line " + std::to_string(1 + std::count(plain.begin(), end, '\n')) + " (byte " +
                    std::to_string(e.byte) + " of " + std::to_string(plain.size()) + ")");
    } catch (const nlohmann::json::exception&) {
        throw Error("not valid JSON: a number is too large");
    }
}

/// Parses a JSON file of at most `max_bytes`. Throws Error that names the file.
inline nlohmann::json read_json(const std::string& path, std::uint64_t max_bytes = kMaxSettingsBytes) {
    const InputFile file(path);
    if (file.bytes() > max_bytes) {
        throw Error(path + ": " + std::to_string(file.bytes()) +
                    " bytes are too many for a JSON file of its kind (at most " + std::to_string(max_bytes) + ")");
    }
    try {
        return parse_json(file.read(0, file.bytes()), max_bytes / kJsonBytesPerValue);
    } catch (const Error& e) {
        const std::string what = e.what();
        throw Error(what.starts_with(path) ? what : path + ": " + what);
    }
}

}  // namespace unshard
