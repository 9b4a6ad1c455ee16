// config.json and its kind, as Python writes them.
#pragma once

#include "unshard/input_file.hpp"

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace unshard {

/// Python's json module writes NaN, Infinity and -Infinity, which JSON does not have: they become null here.
inline std::string without_python_constants(std::string_view text) {
    static constexpr std::string_view kConstants[] = {"-Infinity", "Infinity", "NaN"};
    std::string result;
    result.reserve(text.size());
    bool in_string = false;
    for (std::size_t i = 0; i < text.size();) {
        std::size_t length = 1;
        if (in_string && text[i] == '\\') {
            length = std::min<std::size_t>(2, text.size() - i);
        } else if (text[i] == '"') {
            in_string = !in_string;
        } else if (!in_string) {
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

/// Parses a JSON file of at most `max_bytes`. Throws Error that names the file. An ordered_json looks for each key from
/// the start: nlohmann::json is for objects of very many keys.
template <class Json = nlohmann::ordered_json>
Json read_json(const std::string& path, std::uint64_t max_bytes = 256 << 20) {
    const InputFile file(path);
    if (file.bytes() > max_bytes) {
        throw Error(path + ": " + std::to_string(file.bytes()) +
                    " bytes are too many for a JSON file of its kind (at most " + std::to_string(max_bytes) + ")");
    }
    try {
        return Json::parse(without_python_constants(file.read(0, file.bytes())));
    } catch (const nlohmann::json::exception& e) {
        throw Error(path + ": not valid JSON: " + e.what());
    }
}

}  // namespace unshard
